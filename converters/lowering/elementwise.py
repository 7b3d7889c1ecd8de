"""Elementwise sums, products and powers: residual streams, folded gains, parts of functions and of norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.activations import activate
from converters.lowering.arithmetic import gate, is_number, is_void, less_log_sum, scale, shift, summed
from converters.lowering.builder import Divisor, Mask, Unsupported, Value
from converters.lowering.curves import Curve, combined, curve, joint, resolved
from converters.lowering.divisors import Inverse, centred, quotient
from converters.lowering.handlers import HANDLERS, Call, formed, handles
from converters.masks import MASKED


@handles(
    "dropout", "dropout_", "alias", "clone", "contiguous", "detach", "lift_fresh_copy", "dropout1d", "feature_dropout"
)
def nothing(call: Call) -> Value:
    """Operations that change no value at inference."""
    return call.args[0]


@handles("add", "add_", curves=True)
def add(call: Call) -> Any:
    """A sum: of a value and a constant an offset or a bias, of two values a residual sum, of logits and a mask a race.

    Functions of one and the same value make another such function.
    """
    x, y = call.args[0], _times_alpha(call, call.args[1])
    if not isinstance(x, (Value, Curve, Divisor)):
        x, y = y, x
    for divisor, other in ((x, y), (y, x)):
        if isinstance(divisor, Divisor) and (more := divisor.plus(call, other)) is not None:
            return more
    x, y = formed(call, (x, y))
    return _sum_or_curve(call, x, y, torch.add, lambda a, b: _plus(call, a, b))


def _times_alpha(call: Call, y: Any) -> Any:
    """The operand of a sum or difference that PyTorch multiplies by ``alpha``, times it."""
    alpha = call.arg(2, "alpha", 1)
    if alpha == 1:
        return y
    return mul(replace(call, args=(y, alpha), kwargs={})) if isinstance(y, (Value, Curve, Divisor)) else y * alpha


def _plus(call: Call, x: Value, y: Any) -> Value:
    if isinstance(y, Mask):
        return masked(x, y)
    if isinstance(y, torch.Tensor) and y.ndim > 1 and y.shape[-1] == x.shape[-1] and bool((y <= MASKED).any()):
        keep = y > MASKED
        return masked(x, Mask(None, keep, None if bool((y[keep] == 0).all()) else y.masked_fill(~keep, 0)))
    return summed(call, [x, y], np.zeros(1)) if isinstance(y, Value) else shift(call, x, y, 1.0)


def masked(x: Value, mask: Mask) -> Value:
    """Logits with a mask pending, which says which of them will race; an offset of the logits becomes the mask's bias.

    Raises:
        Unsupported: a mask is pending already, and both come from the input.
    """
    if x.mask is not None:
        if x.mask.keys is not None and mask.keys is not None:
            raise Unsupported("two masks from the input")
        added = [torch.as_tensor(0.0) if m.bias is None else m.bias for m in (x.mask, mask)]
        bias = None if x.mask.bias is None and mask.bias is None else added[0] + added[1]
        mask = Mask(x.mask.keys or mask.keys, x.mask.allowed & mask.allowed, bias)
    if x.offset is not None:
        keep = x.offset > MASKED
        bias = x.offset.masked_fill(~keep, 0) + (0 if mask.bias is None else mask.bias)
        mask = replace(mask, allowed=mask.allowed & keep, bias=bias)
    return replace(x, offset=None, mask=mask)


@handles("neg", curves=True)
def neg(call: Call) -> Any:
    """A gain of -1, or a part of a function of one value."""
    x = call.args[0]
    return x.then(torch.neg, lambda value: scale(value, -1.0)) if isinstance(x, Curve) else scale(x, -1.0)


@handles("sub", "sub_", "rsub", curves=True)
def sub(call: Call) -> Any:
    """A difference, by a gain of -1 and a sum; of a value and its own mean, LayerNorm's centring."""
    x, y = call.args[:2] if call.function != "rsub" else call.args[1::-1]
    y = _times_alpha(call, y)
    return _sum_or_curve(call, x, y, torch.sub, lambda a, b: _minus(call, a, b))


def _minus(call: Call, x: Any, y: Any) -> Value:
    if isinstance(x, Value) and not isinstance(y, Value):
        return shift(call, x, y, -1.0)
    if not isinstance(x, Value):
        return shift(call, scale(y, -1.0), x, 1.0)
    if (known := call.builder.log_sums.get(y.node)) is not None:
        of, along_its_axes, softmax = known
        if of is x and y.plain and (y.shape, y.steps) == (along_its_axes.shape, along_its_axes.steps):
            return less_log_sum(call, x, y, softmax)
    if (axes := call.builder.mean_along(y, x)) is not None:
        return centred(call.builder, x, axes, call.name)
    return summed(call, [x, scale(y, -1.0)], np.zeros(1))


def _sum_or_curve(call: Call, x: Any, y: Any, function: Any, otherwise: Callable[[Any, Any], Value]) -> Any:
    """A sum or difference: a curve where functions of one potential meet or a number shifts one, else a value.

    Of minus infinity and a value it is minus infinity, a constant.
    """
    if is_void(x) or (is_void(y) and function is torch.add):
        return torch.full(call.shape, -torch.inf)
    if isinstance(x, Curve) or isinstance(y, Curve):
        if (both := combined(x, y, function, otherwise)) is not None:
            return both
    elif is_number(y) and isinstance(x, Value) and call.builder.emits(x.node) == "currents":
        x = curve(x) or x
    elif is_number(x) and isinstance(y, Value) and call.builder.emits(y.node) == "currents":
        y = curve(y) or y
    return _with_curve(x, y, function, otherwise)


def _with_curve(x: Any, y: Any, function: Any, otherwise: Callable[[Any, Any], Value]) -> Any:
    """``function`` of two operands: of a curve and a number a curve, of others what ``otherwise`` makes of values."""
    one = (isinstance(x, Curve) and is_number(y)) or (isinstance(y, Curve) and is_number(x))
    both = joint((x, y), function, otherwise) if one else None
    return otherwise(resolved(x), resolved(y)) if both is None else both


@handles("mul", "mul_", curves=True)
def mul(call: Call) -> Any:
    """A product: by a constant a gain to fold, by the inverse of a root a normalisation, else a product by traces.

    Functions of one and the same value make another such function.
    """
    x, y = call.args[:2]
    if isinstance(x, Divisor):
        x, y = y, x
    if isinstance(y, Divisor):
        if not isinstance(x, (Value, Curve, Divisor)) and (scaled := y.times(x)) is not None:
            return scaled
        return y.multiply(call, x.formed(call) if isinstance(x, Divisor) else resolved(x))
    if (both := combined(x, y, torch.mul, lambda a, b: _times(call, a, b))) is not None:
        return both
    return _with_curve(x, y, torch.mul, lambda a, b: _times(call, a, b))


def _times(call: Call, x: Any, y: Any) -> Any:
    if not isinstance(x, Value):
        x, y = y, x
    if not isinstance(y, Value) and (w := torch.as_tensor(y)).is_complex():
        return HANDLERS["complex"](replace(call, args=(scale(x, w.real), scale(x, w.imag))))
    return gate(call, x, y) if isinstance(y, Value) else scale(x, y)


HIGHEST = 8
"""Highest power that is a product: that many codes of one value have their relative errors added up."""
ROOTS = {-0.5: "rsqrt", 0.5: "sqrt", -1.0: "reciprocal"}
"""Powers that are operations of their own."""


@handles("square", curves=True)
def square(call: Call) -> Any:
    """x * x, kept as a square, as a mean of squares may follow."""
    return mul(replace(call, args=(call.args[0], call.args[0])))


@handles("pow", curves=True)
def power(call: Call) -> Any:
    """A power of a value, which is a function of it, or an inverse if it is negative; of a mean of squares, a divisor."""
    x, exponent = call.args[:2]
    if isinstance(x, Divisor):
        if is_number(exponent) and (divisor := x.power(float(exponent))) is not None:
            return divisor
        x = x.formed(call)
    if isinstance(x, (int, float, torch.Tensor)) and bool(((base := torch.as_tensor(x).detach().double()) > 0).all()):
        return activate(call, scale(resolved(exponent), base.log()), "exp")
    if not isinstance(x, (Value, Curve)) or not is_number(exponent):
        raise Unsupported("a power whose exponent depends on the input, or a different one for each value")
    p = float(exponent)
    if p in ROOTS:
        return root(replace(call, function=ROOTS[p], args=(resolved(x),)))
    if p < 0:
        return Inverse.of_value(call.builder, resolved(power(replace(call, args=(x, -p)))))
    if p == 2:
        return mul(replace(call, args=(x, x)))
    if p != int(p) or (
        p > HIGHEST and p % 2 == 1
    ):  # where the model gives numbers, x is not negative if p is not whole
        return activate(call, x, f"power:{p}")
    if not 1 <= p <= HIGHEST:
        raise Unsupported(f"a power with the exponent {exponent}")
    known, n = curve(x), int(p)
    return (
        _multiplied(call, resolved(x), n)
        if known is None
        else known.then(lambda v: v**n, lambda y: _multiplied(call, y, n))
    )


def _multiplied(call: Call, x: Value, n: int) -> Value:
    """x to the power of n, by n - 1 products."""
    product = x
    for number in range(1, n):
        product = gate(replace(call, name=f"{call.name}.{number + 1}"), product, x)
    return product


@handles("rsqrt", "sqrt", "reciprocal")
def root(call: Call) -> Any:
    """A root of a mean of squares, or an inverse, as a divisor; the root of a value is an activation."""
    x = call.args[0]
    exponent = next(power for power, name in ROOTS.items() if name == call.function)
    if isinstance(x, Divisor):
        if (divisor := x.power(exponent)) is not None:
            return divisor
        x = x.formed(call)
    if exponent == -1:
        return Inverse.of_value(call.builder, x)
    found = activate(call, x, "sqrt")  # wherever the model gives numbers, x is not negative
    return found if exponent == 0.5 else Inverse.of_value(call.builder, resolved(found))


@handles("div", "div_", curves=True)
def div(call: Call) -> Any:
    """A quotient: by a constant a gain to fold, by a root a normalisation; other divisors must never be negative."""
    x, y = call.args[:2]
    if call.kwargs.get("rounding_mode") is not None:
        raise Unsupported("a division that rounds")
    if isinstance(x, Divisor):
        constant = not isinstance(y, (Value, Curve, Divisor))
        scaled = x.times(1.0 / torch.as_tensor(y).detach().double()) if constant else None
        if scaled is not None:
            return scaled
        x = x.formed(call)
    if isinstance(y, Divisor) and isinstance(x, (Value, Curve)):
        return y.divide(call, resolved(x))
    if (both := combined(x, y, torch.div, lambda a, b: quotient(call, a, b))) is not None:
        return both
    if isinstance(x, (Value, Curve)) and isinstance(y, (Value, Curve)):
        return quotient(call, resolved(x), resolved(y))
    if not isinstance(x, (Value, Curve)):
        return Inverse.of_value(call.builder, resolved(y), torch.as_tensor(x).detach().double())
    inverse = 1.0 / torch.as_tensor(y).detach().double()
    return _with_curve(x, inverse, torch.mul, scale)
