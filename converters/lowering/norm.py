"""Normalisations: centre, code, square by traces, divide by a moving threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from converters.lowering import Call, handles
from converters.lowering.builder import ONE, Divisor, Unsupported, Value
from converters.lowering.elementwise import scale, shift
from processes.dynamic_threshold import DynamicThreshold
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.residual import Centre
from processes.trace_product import SquareSum


@handles("layer_norm")
def layer_norm(call: Call) -> Value:
    """LayerNorm over the last axis; gamma and beta fold into the next layer."""
    x, axes = call.args[0], call.args[1]
    if len(axes) != 1:
        raise Unsupported(f"it normalises over {len(axes)} axes")
    b = call.builder
    centred = b.network.add(f"{call.name}.centre", Centre(shape=x.shape), b.graded(x, call.name))
    return _divide(call, centred, x.shape, call.arg(2, "weight"), call.arg(3, "bias"), call.arg(4, "eps", 1e-5))


@handles("rms_norm")
def rms_norm(call: Call) -> Value:
    """RMSNorm: the same without centring."""
    x, axes = call.args[0], call.args[1]
    if len(axes) != 1:
        raise Unsupported(f"it normalises over {len(axes)} axes")
    eps = call.arg(3, "eps")
    eps = torch.finfo(torch.float32).eps if eps is None else eps
    return _divide(call, call.builder.graded(x, call.name), x.shape, call.arg(2, "weight"), None, eps)


@handles("group_norm")
def group_norm(call: Call) -> Value:
    """LayerNorm over the channels and pixels of each group."""
    x: Value = call.args[0]
    groups, b = call.args[1], call.builder
    x = Value(b.graded(x, call.name), x.shape).routed(("reshape", [1, groups, math.prod(x.shape) // groups]))
    centred = b.network.add(f"{call.name}.centre", Centre(shape=x.shape), b.graded(x, call.name))
    value = _divide(call, centred, x.shape, None, None, call.arg(4, "eps", 1e-5)).routed(("reshape", list(call.shape)))
    channel = (1, -1, *(1,) * (len(call.shape) - 2))
    gamma, beta = (None if p is None else p.reshape(channel) for p in (call.arg(2, "weight"), call.arg(3, "bias")))
    return replace(value, gain=gamma, offset=beta)


@handles("batch_norm", "_native_batch_norm_legit_no_training")
def batch_norm(call: Call) -> Value:
    """At inference a gain and an offset per channel, which fold into the layer before or after."""
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
    ):  # whoever codes it folds both, and codes it once
        shifted = offset.reshape(channel) if scaled.offset is None else scaled.offset + offset.reshape(channel)
        return replace(scaled, offset=shifted)
    return Value(call.builder.join(shift(call, scaled, offset.reshape(channel), 1.0)), x.shape)


@dataclass(frozen=True)
class Norm(Divisor):
    """The Euclidean norm of a value along its last axis, at least ``floor``; it divides that very value."""

    of: Value
    floor: float = 0.0

    def divide(self, call: Call, x: Value) -> Value:
        """x / |x|; the floor is added to the sum of squares, which differs only next to zero."""
        if self.of != x:
            raise Unsupported("a division by the norm of something else")
        return _divide(call, call.builder.graded(x, call.name), x.shape, None, None, self.floor**2, features=1)


@handles("linalg_vector_norm")
def vector_norm(call: Call) -> Norm:
    """The norm itself is never formed: it divides what it is the norm of."""
    x: Value = call.args[0]
    axes = call.arg(2, "dim")
    if call.arg(1, "ord", 2) != 2 or not call.arg(3, "keepdim", False) or len(axes) != 1:
        raise Unsupported("a norm that is not Euclidean along one axis that is kept")
    if axes[0] % len(x.shape) != len(x.shape) - 1:
        raise Unsupported("a norm along another axis than the last")
    return Norm(x)


@handles("clamp_min", "clamp", "expand_as")
def clamp(call: Call) -> Norm:
    """The floor of a norm that divides."""
    norm = call.args[0]
    if not isinstance(norm, Norm):
        raise Unsupported("no threshold schedule of it is known here")
    if call.function == "expand_as":
        return norm
    if call.arg(2, "max") is not None:
        raise Unsupported("a norm with a ceiling")
    return replace(norm, floor=max(norm.floor, float(call.arg(1, "min"))))


def _divide(
    call: Call, source: str, shape: tuple[int, ...], weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float,
    features: int | None = None,
) -> Value:  # fmt: skip
    """Divides by the root of the mean of squares, or, with ``features`` = 1, of their sum."""
    net, features = call.builder.network, shape[-1] if features is None else features
    ones = np.ones((1,) * len(shape))
    schedule = FloatSchedule(function="identity", scale=ones, unit=ones, base=2.0, steps=2)
    coded = net.add(f"{call.name}.code", PhaseNeuron(shape=shape, schedule=schedule), source)
    squares = SquareSum(shape=(*shape[:-1], 1), trace=ONE, weight=ones)
    squared = net.add(f"{call.name}.squares", squares, coded)
    norm = DynamicThreshold(
        shape=shape, scale=ones, base=2.0, steps=2, table=np.ones((1, 2)), squared=True,
        offset=float(features * eps), features=features,
    )  # fmt: skip
    node = net.add(call.name, norm, source, squared)
    return Value(node, shape, gain=weight, offset=bias)
