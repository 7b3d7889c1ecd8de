"""Sums, scalings and activations: residual streams, folded gains, threshold schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.front_end import MASKED
from converters.lowering import Call, handles
from converters.lowering.builder import Divisor, Mask, Unsupported, Value, as_parameter
from converters.lowering.curves import Curve, combined, curve, resolved
from processes.phase_neuron.activations import activation as function_of


@handles("dropout", "dropout_", "alias", "clone", "contiguous", "detach", "to", "_to_copy", "lift_fresh_copy",
         "_assert_tensor_metadata", "type_as", "dropout1d", "feature_dropout")  # fmt: skip
def nothing(call: Call) -> Value:
    """Does nothing at inference."""
    return call.args[0]


@handles("add", "add_", curves=True)
def add(call: Call) -> Any:
    """A constant becomes an offset of the stream; two values a residual sum."""
    x, y = call.args[:2]
    if call.kwargs.get("alpha", 1) != 1:
        raise Unsupported("a scaled addition")
    if isinstance(y, (Value, Curve, Divisor)) and not isinstance(x, (Value, Curve, Divisor)):
        x, y = y, x
    if isinstance(x, Divisor):
        return x.plus(y)
    return _with_curve(call, x, y, torch.add, lambda a, b: _plus(call, a, b))


def _plus(call: Call, x: Value, y: Any) -> Value:
    if isinstance(y, Mask):
        if x.offset is not None:
            raise Unsupported("a mask from the input together with a bias")
        return replace(x, mask=y)
    return _sum(call, [x, y], np.zeros(1)) if isinstance(y, Value) else shift(call, x, y, 1.0)


@handles("neg")
def neg(call: Call) -> Value:
    """A gain of -1."""
    return scale(call.args[0], -1.0)


@handles("sub", "sub_", "rsub", curves=True)
def sub(call: Call) -> Any:
    """A difference; of a value and its mean along the last axis, LayerNorm's centring."""
    x, y = call.args[:2] if call.function != "rsub" else call.args[1::-1]
    if call.kwargs.get("alpha", 1) != 1:
        raise Unsupported("a scaled difference")
    return _with_curve(call, x, y, torch.sub, lambda a, b: _minus(call, a, b))


def _minus(call: Call, x: Any, y: Any) -> Value:
    if isinstance(x, Value) and not isinstance(y, Value):
        return shift(call, x, y, -1.0)
    if not isinstance(x, Value):
        return shift(call, scale(y, -1.0), x, 1.0)
    if call.builder.is_mean_of(y, x):
        return call.builder.centred(x, call.name)
    return _sum(call, [x, scale(y, -1.0)], np.zeros(1))


def _with_curve(call: Call, x: Any, y: Any, function: Any, otherwise: Callable[[Any, Any], Value]) -> Any:
    """A sum, difference or product; where a function of one potential takes part, or a number shifts one, another such."""
    if isinstance(x, Curve) or isinstance(y, Curve):
        if (both := combined(x, y, function)) is not None:
            return both
    elif is_number(y) and isinstance(x, Value) and call.builder.emits(x.node) == "currents":
        x = curve(x) or x
    elif is_number(x) and isinstance(y, Value) and call.builder.emits(y.node) == "currents":
        y = curve(y) or y
    if isinstance(x, Curve) and is_number(y):
        number = float(y)  # pyright: ignore[reportArgumentType] - a number, as was asked
        return x.then(lambda v: function(v, number), lambda value: otherwise(value, y))
    if isinstance(y, Curve) and is_number(x):
        number = torch.as_tensor(float(x))  # pyright: ignore[reportArgumentType] - a number, as was asked
        return y.then(lambda v: function(number, v), lambda value: otherwise(x, value))
    return otherwise(resolved(x), resolved(y))


def is_number(x: Any) -> bool:
    """Whether it is one real number, whatever holds it."""
    return isinstance(x, (int, float)) or (isinstance(x, torch.Tensor) and x.numel() == 1)


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


@handles("mul", "mul_", curves=True)
def mul(call: Call) -> Any:
    """By a constant, a gain to fold; by the inverse of a root, a normalisation; functions of one value make one function."""
    x, y = call.args[:2]
    if isinstance(x, Divisor):
        x, y = y, x
    if isinstance(y, Divisor):
        return y.multiply(call, x.value() if isinstance(x, Curve) else x)
    if isinstance(x, (Value, Curve)) and isinstance(y, (Value, Curve)) and (both := combined(x, y, torch.mul)):
        return both
    return _with_curve(call, x, y, torch.mul, _times) if isinstance(x, Curve) or isinstance(y, Curve) else _times(x, y)


def _times(x: Any, y: Any) -> Value:
    if not isinstance(x, Value):
        x, y = y, x
    if isinstance(y, Value):
        raise Unsupported("a product of two activations elementwise")
    return scale(x, y)


@handles("square")
def square(call: Call) -> Any:
    """x * x."""
    return mul(replace(call, args=(call.args[0], call.args[0])))


@handles("pow", curves=True)
def power(call: Call) -> Any:
    """A whole power is a function of one value; the roots of a mean of squares divide."""
    x, exponent = call.args[:2]
    if isinstance(x, Divisor) and isinstance(exponent, (int, float)):
        return x.power(float(exponent))
    if not isinstance(x, (Value, Curve)) or not is_number(exponent) or float(exponent) != int(exponent):
        raise Unsupported(f"a power with the exponent {exponent}")
    n = int(exponent)
    if n == 2:
        return mul(replace(call, args=(x, x)))
    if (known := curve(x)) is None or n < 1:
        raise Unsupported(f"a power with the exponent {exponent}")
    return known.then(lambda v: v**n)


@handles("abs", curves=True)
def absolute(call: Call) -> Curve:
    """A part of other functions of one value."""
    if (known := curve(call.args[0])) is None:
        raise Unsupported("the magnitude of a value on which more than numbers is pending")
    return known.then(torch.abs)


@handles("rsqrt", "sqrt", "reciprocal")
def root(call: Call) -> Any:
    """The root of a mean of squares is never formed: it divides what it is the mean of."""
    if not isinstance(call.args[0], Divisor):
        raise Unsupported("a root of something else than a mean of squares")
    return call.args[0].power({"rsqrt": -0.5, "sqrt": 0.5, "reciprocal": -1.0}[call.function])


@handles("div", "div_", curves=True)
def div(call: Call) -> Any:
    """By a constant, a gain to fold; by a root, a normalisation."""
    x, y = call.args[:2]
    if call.kwargs.get("rounding_mode") is not None:
        raise Unsupported("a division that rounds")
    if isinstance(y, Divisor) and isinstance(x, (Value, Curve)):
        return y.divide(call, resolved(x))
    if (both := combined(x, y, torch.div)) is not None:
        return both
    if not isinstance(x, (Value, Curve)) or isinstance(y, (Value, Curve)):
        raise Unsupported("a division by an activation")
    inverse = 1.0 / torch.as_tensor(y).detach().double()
    if isinstance(x, Curve) and inverse.numel() == 1:
        return x.then(lambda v: v * inverse, lambda value: scale(value, inverse))
    return scale(resolved(x), inverse)


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


PLAIN = (
    "relu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "exp",
    "erf",
    "mish",
    "hardswish",
    "hardsigmoid",
    "softsign",
    "selu",
)
PARAMETERS = {
    "relu6": lambda call: "clamp:0,6",
    "hardtanh": lambda call: f"clamp:{float(call.arg(1, 'min_val', -1.0))},{float(call.arg(2, 'max_val', 1.0))}",
    "leaky_relu": lambda call: f"leaky_relu:{float(call.arg(1, 'negative_slope', 0.01))}",
    "celu": lambda call: f"celu:{float(call.arg(1, 'alpha', 1.0))}",
    "softshrink": lambda call: f"softshrink:{float(call.arg(1, 'lambd', 0.5))}",
    "softplus": lambda call: f"softplus:{float(call.arg(1, 'beta', 1.0))}",
}
"""Activations with parameters: how they are called (:func:`processes.phase_neuron.activations.activation`)."""


@handles(*PLAIN, *(f"{name}_" for name in PLAIN), *PARAMETERS, *(f"{name}_" for name in PARAMETERS), curves=True)
def activation(call: Call) -> Any:
    """The threshold schedule of the neuron that fires next."""
    target = call.function.removesuffix("_")
    if target == "gelu" and call.kwargs.get("approximate", "none") == "tanh":
        target = "gelu_tanh"
    if target in PARAMETERS:
        target = PARAMETERS[target](call)
    return activate(call, call.args[0], target)


def activate(call: Call, x: Any, target: str) -> Any:
    """An activation of a value; of a function of one potential, another such function."""
    f = function_of(target).torch
    if isinstance(x, Curve):
        return x.then(f, lambda value: _fire_as(call, value, target))
    if x.plain and call.builder.emits(x.node) != "spikes":
        return replace(x, activation=target)
    if (known := curve(x)) is not None and call.builder.emits(x.node) != "spikes":
        return known.then(f, lambda value: _fire_as(call, value, target))
    return _fire_as(call, x, target)


def _fire_as(call: Call, x: Value, target: str) -> Value:
    if not x.plain or call.builder.emits(x.node) == "spikes":
        x = Value(call.builder.join(x), x.shape)
    return replace(x, activation=target)


@handles("elu", "elu_")
def elu(call: Call) -> Any:
    """ELU; with the scales of SELU it is that."""
    alpha, gain, inner = (float(call.arg(i, name, 1.0)) for i, name in ((1, "alpha"), (2, "scale"), (3, "input_scale")))
    if inner != 1:
        raise Unsupported(f"ELU with an input scale of {inner:g}")
    y = activate(call, call.args[0], f"elu:{alpha}")
    return y if gain == 1 else scale(resolved(y), gain)


@handles("clamp", "clamp_", "clamp_min", "clamp_max", curves=True)
def clamp(call: Call) -> Any:
    """Between two numbers, of which one may be missing; the floor of a norm that divides."""
    x = call.args[0]
    low = None if call.function == "clamp_max" else call.arg(1, "min")
    high = call.arg(1, "max") if call.function == "clamp_max" else call.arg(2, "max")
    if isinstance(x, Divisor):
        return x.clamped(low, high)
    bounds = [-math.inf if low is None else float(low), math.inf if high is None else float(high)]
    if bounds[1] < 0:
        raise Unsupported("a clamp that keeps no zero: what is silent would have to fire")
    return activate(call, x, f"clamp:{bounds[0]},{bounds[1]}")


@handles("prelu", "_prelu_kernel")
def prelu(call: Call) -> Any:
    """A leaky ReLU, if all its slopes are one."""
    slopes = torch.as_tensor(call.args[1]).double().reshape(-1)
    if bool((slopes != slopes[0]).any()) or float(slopes[0]) < 0:
        raise Unsupported("slopes that differ between channels, or are negative")
    return activate(call, call.args[0], f"leaky_relu:{float(slopes[0])}")


@handles("where", "masked_fill", "masked_fill_")
def where(call: Call) -> Value:
    """A choice by a constant between a value and a constant: a gain of 0 and 1, and an offset."""
    condition, x, y = call.args if call.function == "where" else (call.args[1], call.args[2], call.args[0])
    if not isinstance(condition, torch.Tensor) or isinstance(x, Value) == isinstance(y, Value):
        raise Unsupported("a choice that depends on the input, or between two values")
    value, other, keep = (x, y, condition) if isinstance(x, Value) else (y, x, ~condition)
    keep = keep.expand(call.shape)
    constant = torch.where(keep, 0.0, torch.as_tensor(other).double())
    if call.builder.is_product(value.node) and bool((constant[~keep] < MASKED).all()):
        return replace(value, offset=constant if value.offset is None else value.offset + constant)  # softmax's mask
    if not bool(torch.isfinite(constant).all()):
        raise Unsupported("a fill that is not finite, outside a softmax")
    return shift(call, scale(value, keep.double()), constant, 1.0)
