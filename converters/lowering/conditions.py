"""Conditions on values, and choices by them, by constants and by masks.

A condition on a value is a part of a function of one value, such as a leaky ReLU that is written as a choice. Where what is
chosen is something else, the condition is a neuron that steps from 0 to 1, whose spikes gate both sides.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import gate, is_number, scale, shift, summed
from converters.lowering.builder import Mask, Unsupported, Value
from converters.lowering.curves import Curve, curve, joint, resolved
from converters.lowering.elementwise import masked, sub
from converters.lowering.handlers import Call, handles
from converters.masks import MASKED

COMPARISONS = {"gt": torch.gt, "ge": torch.ge, "lt": torch.lt, "le": torch.le, "eq": torch.eq, "ne": torch.ne}


@handles(*COMPARISONS, curves=True)
def compare(call: Call) -> Any:
    """A comparison with a number, as a function of one value; of two values, that of their difference with 0."""
    function, operands = COMPARISONS[call.function], call.args[:2]
    if any(isinstance(x, Mask) for x in operands):
        raise Unsupported("a comparison of masks that depend on the input")
    if any(is_number(x) and math.isinf(float(x)) for x in operands):
        stand_in = (torch.zeros(()) if isinstance(x, (Value, Curve)) else torch.as_tensor(x) for x in operands)
        return function(*stand_in).expand(call.shape)  # a potential is never infinite

    def apart(x: Any, y: Any) -> Curve:
        difference = resolved(sub(replace(call, function="sub", args=(x, y), kwargs={})))
        return Curve(
            Value(call.builder.join(difference), difference.shape), lambda v: function(v, torch.zeros(()).to(v))
        )

    found = joint(operands, function, lambda x, y: apart(x, y).value())
    return apart(*resolved(operands)) if found is None else found


def _curve_of(call: Call, x: Value | Curve) -> Curve:
    """A value as a function of one potential, which it is joined to if more is pending than numbers."""
    return curve(x) or Curve(Value(call.builder.join(resolved(x)), x.shape), lambda v: v)


@handles("isnan", "isinf")
def never(call: Call) -> torch.Tensor:
    """Whether a value is infinite or no number: none of a network is."""
    return torch.zeros(call.shape, dtype=torch.bool)


@handles("sign", "sgn", curves=True)
def sign(call: Call) -> Curve:
    """The sign, as a part of a function of one value."""
    return _curve_of(call, call.args[0]).then(torch.sign)


@handles("logical_not", "bitwise_not", curves=True)
def negation(call: Call) -> Curve:
    """What is true where a condition is not."""
    if not isinstance(call.args[0], (Value, Curve)):
        raise Unsupported("a mask that depends on the input")
    return _not(call, call.args[0])


def _not(call: Call, x: Value | Curve) -> Curve:
    return _curve_of(call, x).then(lambda v: 1 - v.double(), lambda value: shift(call, scale(value, -1.0), 1.0, 1.0))


@handles("logical_and", "bitwise_and", "logical_or", "bitwise_or", curves=True)
def both(call: Call) -> Any:
    """Two conditions at once, or one of the two at least; of different values, by a product of their steps."""
    operands = [_uniform(x) for x in call.args]
    if not all(isinstance(x, (Value, Curve)) or is_number(x) for x in operands):
        raise Unsupported("a condition on values together with one on places")
    if "or" in call.function:  # where not both are false
        inverse = [_not(call, x) if isinstance(x, (Value, Curve)) else 1 - x for x in operands]
        return _not(call, _all(call, *inverse))
    return _all(call, *operands)


def _uniform(x: Any) -> Any:
    """The one number that a constant condition consists of; everything else as it is."""
    same = isinstance(x, torch.Tensor) and x.numel() > 0 and bool((x == x.flatten()[0]).all())
    return float(x.flatten()[0]) if same else x


def _all(call: Call, x: Any, y: Any) -> Any:
    found = joint((x, y), torch.mul, lambda a, b: gate(call, a, b))
    return gate(call, resolved(x), resolved(y)) if found is None else found


@handles("to", "_to_copy", "type_as", curves=True)
def converted(call: Call) -> Any:
    """A conversion to another type: of a condition to numbers, of numbers to a condition, else nothing.

    Networks do not round to half precision, and refuse to cut values to whole numbers.
    """
    x = call.args[0]
    dtype = next((a for a in (*call.args[1:], *call.kwargs.values()) if isinstance(a, torch.dtype)), torch.float32)
    if not isinstance(x, (Value, Curve)) or dtype.is_floating_point or dtype.is_complex:
        return x.then(torch.Tensor.double, lambda value: value) if isinstance(x, Curve) else x
    if dtype == torch.bool:
        return compare(replace(call, function="ne", args=(x, 0.0), kwargs={}))
    if isinstance(x, Curve) and x.function(torch.zeros(1).double()).dtype == torch.bool:
        return x.then(torch.Tensor.double)
    raise Unsupported("values that are cut to whole numbers")


@handles("where", "masked_fill", "masked_fill_", curves=True)
def where(call: Call) -> Any:
    """A choice by a constant condition, by gains of 0 and 1; by a condition on a value; or by a mask of a softmax."""
    condition, x, y = call.args if call.function == "where" else (call.args[1], call.args[2], call.args[0])
    if isinstance(condition, (Value, Curve)):
        return _chosen(call, condition, x, y)
    x, y = resolved(x), resolved(y)
    if isinstance(condition, Mask):
        return _masked(call, condition, *((x, y) if isinstance(x, Value) else (y, x)))
    if not isinstance(condition, torch.Tensor):
        raise Unsupported("a choice that depends on the input")
    if isinstance(x, Value) and isinstance(y, Value):
        keep = condition.expand(call.shape).double()
        return summed(call, [scale(x, keep), scale(y, 1 - keep)], np.zeros(1))
    if not isinstance(x, Value) and not isinstance(y, Value):
        raise Unsupported("a choice of two values that are no numbers")
    value, other, keep = (x, y, condition) if isinstance(x, Value) else (y, x, ~condition)
    keep = keep.expand(call.shape)
    constant = torch.where(keep, 0.0, torch.as_tensor(other).double())
    if call.builder.is_product(value.node) and bool((constant[~keep] <= MASKED).all()):
        return replace(value, offset=constant if value.offset is None else value.offset + constant)  # softmax's mask
    if not bool(torch.isfinite(constant).all()):
        if bool((constant[~keep] <= MASKED).all()):  # a softmax has to follow
            return masked(value, Mask(None, keep, None))
        raise Unsupported("a fill that is not finite, outside a softmax")
    return shift(call, scale(value, keep.double()), constant, 1.0)


def _chosen(call: Call, condition: Value | Curve, x: Any, y: Any) -> Any:
    """x where a condition on a value holds, else y: a function of one value, or both gated by the condition's steps."""
    if any(is_number(part) and float(part) <= MASKED for part in (x, y)):
        raise Unsupported("a mask that depends on the input's values (experts that are chosen within chosen groups)")

    def gated(condition: Value, x: Any, y: Any) -> Value:
        other = resolved(_not(call, condition))
        sides = [
            gate(call, v, step) if isinstance(v, Value) else scale(step, v) for v, step in ((x, condition), (y, other))
        ]
        return summed(call, sides, np.zeros(1))

    found = joint((condition, x, y), lambda c, a, b: torch.where(c > 0.5, a, b), gated)
    return gated(resolved(condition), resolved(x), resolved(y)) if found is None else found


def _masked(call: Call, mask: Mask, x: Any, other: Any) -> Value:
    """A choice by a mask of the input: logits with the mask pending, or softmax weights, which are 0 there anyway.

    Raises:
        Unsupported: any other choice by a mask.
    """
    if isinstance(x, Value) and is_number(other):
        if not x.normaliser and float(other) <= MASKED:
            return masked(x, mask)
        raced = call.builder.network.nodes[x.node].inputs
        keys = call.builder.keys(mask, len(x.shape))
        if x.normaliser == x.node and not float(other) and bool(mask.allowed.all()) and set(keys) <= set(raced[1:]):
            return x
    raise Unsupported("a choice that depends on the input, outside a softmax")
