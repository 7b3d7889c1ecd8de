"""Normalisations: centre, code, square by traces, and divide by a moving threshold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import scale, shift
from converters.lowering.builder import Unsupported, Value
from converters.lowering.curves import resolved
from converters.lowering.divisors import Norm, centred, divide, rows, unrows
from converters.lowering.handlers import HANDLERS, Call, handles


@handles("layer_norm")
def layer_norm(call: Call) -> Value:
    """LayerNorm over the last axes; gamma and beta stay pending, to fold into the next layer."""
    x: Value = call.args[0]
    axes = tuple(range(len(x.shape) - len(call.args[1]), len(x.shape)))
    source = rows(centred(call.builder, x, axes, call.name), axes)
    return _affine(call, source, axes, call.arg(2, "weight"), call.arg(3, "bias"), call.arg(4, "eps", 1e-5))


@handles("rms_norm")
def rms_norm(call: Call) -> Value:
    """RMSNorm over the last axes: LayerNorm without centring and beta; gamma stays pending."""
    x: Value = call.args[0]
    axes = tuple(range(len(x.shape) - len(call.args[1]), len(x.shape)))
    source = rows(x, axes)
    eps = call.arg(3, "eps")
    eps = torch.finfo(torch.float32).eps if eps is None else eps
    return _affine(call, source, axes, call.arg(2, "weight"), None, eps)


def _affine(
    call: Call, x: Value, axes: tuple[int, ...], weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> Value:
    """x with ``axes`` merged (:func:`rows`), divided by its root mean square; weight and bias stay pending."""
    source = call.builder.graded(x, call.name)
    y = divide(call, source, source, x.shape, eps, x.shape[-1])
    return replace(unrows(y, call.shape, axes), gain=weight, offset=bias)


@handles("group_norm")
def group_norm(call: Call) -> Value:
    """GroupNorm: LayerNorm over the channels and pixels of each image's groups, with gamma and beta by channel."""
    x: Value = call.args[0]
    groups, b = x.shape[0] * call.args[1], call.builder
    x = Value(b.graded(x, call.name), x.shape).routed(("reshape", [1, groups, math.prod(x.shape) // groups]))
    source = b.centred(x, call.name).node
    value = divide(call, source, source, x.shape, call.arg(4, "eps", 1e-5), x.shape[-1])
    channel = (1, -1, *(1,) * (len(call.shape) - 2))
    gamma, beta = (None if p is None else p.reshape(channel) for p in (call.arg(2, "weight"), call.arg(3, "bias")))
    return replace(value.routed(("reshape", list(call.shape))), gain=gamma, offset=beta)


@handles("_native_batch_norm_legit_no_training")
def native_batch_norm(call: Call) -> list[Value]:
    """Batch norm as decompositions leave it, with a list of results of which the first is the normalised value."""
    return [batch_norm(replace(call, shape=call.args[0].shape))]


@handles("_native_batch_norm_legit")
def instance_norm(call: Call) -> list[Value]:
    """Instance norm, which decompositions leave as a batch norm of one sample by itself: GroupNorm with a group a channel."""
    x: Value = call.args[0]
    *own, training, _, eps = call.args
    if not training:
        return [batch_norm(replace(call, function="batch_norm", args=(*own, False, 0.0, eps), shape=x.shape))]
    if x.shape[0] != 1:
        raise Unsupported("it normalises by the batch, not by statistics from training")
    args = (x, x.shape[1], own[1], own[2], eps)
    return [group_norm(replace(call, args=args, kwargs={}, shape=x.shape))]


@handles("batch_norm")
def batch_norm(call: Call) -> Value:
    """Batch norm at inference: a gain and an offset per channel, which fold into the layer before or after."""
    x: Value = call.args[0]
    gamma, beta, mean, variance = (p if p is None else p.double() for p in call.args[1:5])
    if mean is None or (call.function == "batch_norm" and call.args[5]):
        raise Unsupported("it normalises by the batch, not by statistics from training")
    eps = call.args[7] if call.function == "batch_norm" else call.args[6]
    gain = torch.rsqrt(variance + eps) * (1.0 if gamma is None else gamma)
    offset = (0.0 if beta is None else beta) - mean * gain
    channel = (1, -1, *(1,) * (len(x.shape) - 2))
    scaled = scale(x, gain.reshape(channel))
    if (
        call.builder.emits(x.node) == "graded" and x.activation == "identity"
    ):  # both stay pending, so that x is coded only once for all readers
        shifted = offset.reshape(channel) if scaled.offset is None else scaled.offset + offset.reshape(channel)
        return replace(scaled, offset=shifted)
    return Value(call.builder.join(shift(call, scaled, offset.reshape(channel), 1.0)), x.shape)


@handles("linalg_vector_norm")
def vector_norm(call: Call) -> Any:
    """The Euclidean norm along axes, as a divisor that need not be formed; a sum of magnitudes, or the largest, as a value."""
    order, x = call.arg(1, "ord", 2), call.args[0]
    axes, kept = chosen(x, call.arg(2, "dim")), bool(call.arg(3, "keepdim", False))
    if order == 2:
        return Norm(x, axes, kept=kept)
    if order not in (1, math.inf):
        raise Unsupported(f"a norm of order {order}")
    sizes = HANDLERS["abs"](replace(call, args=(x,), kwargs={}, shape=x.shape))
    reduce = "sum" if order == 1 else "amax"
    return HANDLERS[reduce](replace(call, function=reduce, args=(resolved(sizes), list(axes), kept), kwargs={}))


@handles("var", "std")
def variance(call: Call) -> Norm:
    """The variance or standard deviation along axes, as a divisor: the mean of the centred squares, or its root."""
    x: Value = call.args[0]
    axes = chosen(x, call.arg(1, "dim"))
    free = call.kwargs.get("correction", 1 if call.arg(2, "unbiased", True) else 0)
    count = math.prod(x.shape[a] for a in axes) - int(1 if free is None else free)
    exponent = 0.5 if call.function == "std" else 1.0
    kept = bool(call.arg(3, "keepdim", False))
    return Norm(centred(call.builder, x, axes, call.name), axes, count, exponent=exponent, kept=kept)


def squares(of: Value, axes: tuple[int, ...], mean: bool, kept: bool) -> Norm:
    """The sum or mean of a value's squares along axes, as a divisor; ``kept``: axes stay with length 1."""
    return Norm(of, axes, math.prod(of.shape[a] for a in axes) if mean else 1, exponent=1.0, kept=kept)


def chosen(x: Value, axes: Any) -> tuple[int, ...]:
    """The axes that an operation reduces, not negative, in rising order; all axes if none are given."""
    along = [] if axes is None else np.atleast_1d(axes).tolist()
    return tuple(sorted(int(a) % len(x.shape) for a in along or range(len(x.shape))))
