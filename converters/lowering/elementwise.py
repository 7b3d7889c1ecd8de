"""Sums, scalings and activations: residual streams, folded gains, threshold schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering import Call, handles
from converters.lowering.builder import Divisor, Mask, Unsupported, Value, as_parameter


@handles("dropout", "dropout_", "alias", "clone", "contiguous", "detach", "to", "_to_copy", "lift_fresh_copy",
         "_assert_tensor_metadata", "type_as", "dropout1d", "feature_dropout")  # fmt: skip
def nothing(call: Call) -> Value:
    """Does nothing at inference."""
    return call.args[0]


@handles("add", "add_")
def add(call: Call) -> Value:
    """A constant becomes an offset of the stream; two values a residual sum."""
    x, y = call.args[:2]
    if call.kwargs.get("alpha", 1) != 1:
        raise Unsupported("a scaled addition")
    if not isinstance(x, Value):
        x, y = y, x
    if isinstance(y, Mask):
        if x.offset is not None:
            raise Unsupported("a mask from the input together with a bias")
        return replace(x, mask=y)
    if isinstance(y, Value):
        return _sum(call, [x, y], np.zeros(1))
    return shift(call, x, y, 1.0)


@handles("neg")
def neg(call: Call) -> Value:
    """A gain of -1."""
    return scale(call.args[0], -1.0)


@handles("sub")
def sub(call: Call) -> Value:
    """Difference."""
    x, y = call.args[:2]
    if call.kwargs.get("alpha", 1) != 1:
        raise Unsupported("a scaled difference")
    if isinstance(x, Value) and not isinstance(y, Value):
        return shift(call, x, y, -1.0)
    if not isinstance(x, Value):
        return shift(call, scale(y, -1.0), x, 1.0)
    return _sum(call, [x, scale(y, -1.0)], np.zeros(1))


def shift(call: Call, x: Value, y: Any, sign: float) -> Value:
    """x + sign * y, y constant: an offset of spikes, a bias of potentials."""
    offset = torch.as_tensor(y).detach().double() * sign
    if call.builder.emits(x.node) == "spikes" or x.node == call.builder.network.INPUT:
        if offset.numel() > 1 and offset.shape != torch.Size(call.shape):
            offset = offset.expand(call.shape) if len(call.shape) == len(x.shape) else offset
        return replace(x, offset=offset if x.offset is None else x.offset + offset)
    return _sum(call, [x], as_parameter(offset.expand(x.shape), x.shape))


def _sum(call: Call, values: list[Value], bias: np.ndarray) -> Value:
    if any(v.shape != call.shape for v in values):
        raise Unsupported(f"a sum that broadcasts {values[0].shape} with {values[-1].shape}")
    branches = [call.builder.join(v) for v in values]
    return Value(call.builder.residual(branches, bias, call.shape, f"{call.name}.add"), call.shape)


@handles("mul", "mul_")
def mul(call: Call) -> Value:
    """By a constant: a gain to fold."""
    x, y = call.args[:2]
    if not isinstance(x, Value):
        x, y = y, x
    if isinstance(y, Value):
        raise Unsupported("a product of two activations elementwise")
    return scale(x, y)


@handles("div", "div_")
def div(call: Call) -> Value:
    """By a constant: a gain to fold."""
    x, y = call.args[:2]
    if call.kwargs.get("rounding_mode") is not None:
        raise Unsupported("a division that rounds")
    if isinstance(x, Value) and isinstance(y, Divisor):
        return y.divide(call, x)
    if not isinstance(x, Value) or isinstance(y, Value):
        raise Unsupported("a division by an activation")
    return scale(x, 1.0 / torch.as_tensor(y).detach().double())


def scale(x: Value, factor: Any) -> Value:
    """x * factor, a constant: a gain to fold."""
    gain = torch.as_tensor(factor).detach().double()
    if gain.ndim and gain.numel() > 1 and tuple(torch.broadcast_shapes(gain.shape, x.shape)) != x.shape:
        raise Unsupported("a gain that broadcasts the activation")
    return replace(
        x,
        gain=gain if x.gain is None else x.gain * gain,
        offset=None if x.offset is None else x.offset * gain,
    )


@handles("relu", "relu_", "gelu", "silu", "silu_", "sigmoid", "tanh", "exp")
def activation(call: Call) -> Value:
    """The threshold schedule of the neuron that fires next."""
    x: Value = call.args[0]
    target = call.function.removesuffix("_")
    if target == "gelu" and call.kwargs.get("approximate", "none") == "tanh":
        target = "gelu_tanh"
    if not x.plain or call.builder.emits(x.node) == "spikes":
        x = Value(call.builder.join(x), x.shape)
    return replace(x, activation=target)
