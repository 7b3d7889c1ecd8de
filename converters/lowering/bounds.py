"""Bounds of values: the larger or the smaller of two operands, and clamps between numbers or values."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from converters.lowering.activations import activate
from converters.lowering.arithmetic import is_number, is_void
from converters.lowering.builder import Divisor, Unsupported, Value
from converters.lowering.curves import Curve, curve, resolved
from converters.lowering.elementwise import add, sub
from converters.lowering.handlers import Call, handles


@handles("maximum", "minimum", curves=True)
def larger(call: Call) -> Any:
    """Elementwise maximum of two operands as y + relu(x - y), minimum as y - relu(y - x); of one and a number, a clamp."""
    x, y = call.args[:2]
    if not isinstance(x, Value | Curve):
        x, y = y, x
    small = call.function == "minimum"
    number = None if isinstance(y, Value | Curve) or not is_number(y) else float(y)
    if not small and is_void(y):
        return x  # the constant is so low that it is never the larger
    if number is not None and isinstance(x, Value | Curve) and not (small and number < 0) and (known := curve(x)):
        bound = "clamp_max" if small else "clamp_min"
        return clamp(replace(call, function=bound, args=(known, number), kwargs={}))
    x, y = resolved(x), resolved(y)
    if not isinstance(x, Value) or not isinstance(y, Value | torch.Tensor | int | float):
        raise Unsupported("the larger of operands that are no numbers")
    over = resolved(sub(replace(call, function="sub", args=(y, x) if small else (x, y), kwargs={})))
    above = activate(call, Value(call.builder.join(over), call.shape), "relu")
    return (sub if small else add)(replace(call, function="sub" if small else "add", args=(y, above), kwargs={}))


@handles("clamp", "clamp_", "clamp_min", "clamp_max", curves=True)
def clamp(call: Call) -> Any:
    """A clamp between two bounds, of which one may be missing: an activation, or a maximum and minimum of values.

    A small lower bound of a norm becomes the norm's floor, so that it need not be formed to divide.
    """
    x = call.args[0]
    low = None if call.function == "clamp_max" else call.arg(1, "min")
    high = call.arg(1, "max") if call.function == "clamp_max" else call.arg(2, "max")
    if isinstance(x, Divisor):
        if (clamped := x.clamped(low, high)) is not None:
            return clamped
        x = x.formed(call)
    if isinstance(low, Value) or isinstance(high, Value):
        below = x if low is None else larger(replace(call, function="maximum", args=(resolved(x), low), kwargs={}))
        return below if high is None else larger(replace(call, function="minimum", args=(below, high), kwargs={}))
    bounds = [-math.inf if low is None else float(low), math.inf if high is None else float(high)]
    if bounds[1] < 0:  # what is silent is there the bound, so that the bound is taken off before
        own = replace(call, function="add", shape=x.shape, kwargs={})
        over = resolved(add(replace(own, args=(x, -bounds[1]))))
        kept = activate(call, Value(call.builder.join(over), x.shape), f"clamp:{bounds[0] - bounds[1]},0.0")
        return add(replace(own, args=(kept, bounds[1])))
    return activate(call, x, f"clamp:{bounds[0]},{bounds[1]}")
