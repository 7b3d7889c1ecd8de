"""Normalisations: centre, code, square by traces, divide by a moving threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from converters.lowering import Call, handles
from converters.lowering.builder import ONE, Divisor, Unsupported, Value
from converters.lowering.elementwise import is_number, scale, shift
from processes.dynamic_threshold import DynamicThreshold
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.trace_product import SquareSum


@handles("layer_norm")
def layer_norm(call: Call) -> Value:
    """LayerNorm over the last axis; gamma and beta fold into the next layer."""
    x, axes = call.args[0], call.args[1]
    if len(axes) != 1:
        raise Unsupported(f"it normalises over {len(axes)} axes")
    centred = call.builder.centred(x, call.name).node
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
    centred = b.centred(x, call.name).node
    value = _divide(call, centred, x.shape, None, None, call.arg(4, "eps", 1e-5)).routed(("reshape", list(call.shape)))
    channel = (1, -1, *(1,) * (len(call.shape) - 2))
    gamma, beta = (None if p is None else p.reshape(channel) for p in (call.arg(2, "weight"), call.arg(3, "bias")))
    return replace(value, gain=gamma, offset=beta)


@handles("_native_batch_norm_legit_no_training")
def native_batch_norm(call: Call) -> list[Value]:
    """The form that decompositions leave, whose first result is the normalised value."""
    return [batch_norm(replace(call, shape=call.args[0].shape))]


@handles("batch_norm")
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
    """The root of the sum or mean of a value's squares along its last axis; it divides that very value.

    Attributes:
        of: the value.
        features: 1 for the sum, the length of the axis for the mean.
        eps: what is added to the sum or mean before the root.
        exponent: of the sum or mean: 1 as it is, 0.5 its root, -0.5 the root's inverse.
    """

    of: Value
    features: int = 1
    eps: float = 0.0
    exponent: float = 0.5

    def divide(self, call: Call, x: Value) -> Value:
        """x / root."""
        if self.exponent != 0.5:
            raise Unsupported("a division by a sum of squares that is no root")
        return self._normalise(call, x)

    def multiply(self, call: Call, x: Value) -> Value:
        """x * 1 / root."""
        if self.exponent != -0.5:
            raise Unsupported("a product with a norm")
        return self._normalise(call, x)

    def plus(self, number: Any) -> Norm:
        """The sum or mean with ``number`` added, before the root."""
        if self.exponent != 1 or not is_number(number):
            raise Unsupported("a sum with a norm")
        return replace(self, eps=self.eps + float(number))

    def power(self, exponent: float) -> Norm:
        """Of the mean its root, or the root's inverse."""
        if self.exponent * exponent not in (0.5, -0.5):
            raise Unsupported(f"a mean of squares to the power {self.exponent * exponent:g}")
        return replace(self, exponent=self.exponent * exponent)

    def clamped(self, low: Any, high: Any) -> Norm:
        """With a floor, which is added to the sum of squares: that differs only next to zero."""
        if high is not None:
            raise Unsupported("a norm with a ceiling")
        floor = 0.0 if low is None else float(low)
        return replace(self, eps=max(self.eps, floor ** (1 / self.exponent)))

    def _normalise(self, call: Call, x: Value) -> Value:
        if self.of != x:
            raise Unsupported("a division by the norm of something else")
        return _divide(call, call.builder.graded(x, call.name), x.shape, None, None, self.eps, self.features)


@handles("linalg_vector_norm")
def vector_norm(call: Call) -> Norm:
    """The norm itself is never formed: it divides what it is the norm of."""
    x: Value = call.args[0]
    if call.arg(1, "ord", 2) != 2:
        raise Unsupported("a norm that is not Euclidean")
    _check_rows(call, call.arg(2, "dim"), x, call.arg(3, "keepdim", False))
    return Norm(x)


@handles("var")
def variance(call: Call) -> Norm:
    """The mean of the squares of what is centred; it divides that."""
    x: Value = call.args[0]
    unbiased = call.kwargs.get("correction", 1 if call.arg(2, "unbiased", True) else 0)
    _check_rows(call, call.arg(1, "dim"), x, call.arg(3, "keepdim", False))
    if unbiased:
        raise Unsupported("a variance that divides by n - 1")
    return Norm(call.builder.centred(x, call.name), x.shape[-1], exponent=1.0)


def squares(of: Value, mean: bool) -> Norm:
    """The sum or mean of the squares of a value along its last axis, which is kept."""
    return Norm(of, of.shape[-1] if mean else 1, exponent=1.0)


def _check_rows(call: Call, axes: Any, x: Value, keep: bool) -> None:
    along = [a % len(x.shape) for a in np.atleast_1d([] if axes is None else axes).tolist()]
    if along != [len(x.shape) - 1] or not keep:
        raise Unsupported("a norm along another axis than the last, or one that is not kept")


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
