"""Functions of one value that are made of others: of exponentials, the error function, and what a sine rises and falls.

A sine rises by 1 before and after each turn and falls by 2 in between. What it has risen by and what it has fallen by, since 0,
never fall, so that each is a neuron's function, and their difference is the sine, however many turns there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.activations import activate
from converters.lowering.arithmetic import scale, shift, summed
from converters.lowering.builder import Mask, Unsupported, Value
from converters.lowering.curves import curve, resolved
from converters.lowering.handlers import Call, handles


def _exp(call: Call, x: Value, factor: float) -> Value:
    """exp(factor * x)."""
    return resolved(activate(call, scale(x, factor), "exp"))


def _hyperbolic(call: Call, x: Value, sign: float) -> Value:
    """(exp(x) + sign * exp(-x)) / 2."""
    return summed(call, [scale(_exp(call, x, 1.0), 0.5), scale(_exp(call, x, -1.0), 0.5 * sign)], np.zeros(1))


def _sine(call: Call, x: Value) -> Value:
    """What the sine has risen by less what it has fallen by."""
    rise, fall = (resolved(activate(call, x, f"sine_{which}")) for which in ("rise", "fall"))
    return summed(call, [rise, scale(fall, -1.0)], np.zeros(1))


MADE: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[Call, Value], Value]]] = {
    "expm1": (torch.expm1, lambda call, x: shift(call, _exp(call, x, 1.0), -1.0, 1.0)),
    "exp2": (torch.exp2, lambda call, x: _exp(call, x, math.log(2))),
    "erfc": (torch.erfc, lambda call, x: shift(call, scale(resolved(activate(call, x, "erf")), -1.0), 1.0, 1.0)),
    "sinh": (torch.sinh, lambda call, x: _hyperbolic(call, x, -1.0)),
    "sin": (torch.sin, _sine),
    "cos": (torch.cos, lambda call, x: _sine(call, shift(call, x, math.pi / 2, 1.0))),
    "acos": (
        lambda v: torch.acos(v.clamp(-1, 1)),
        lambda call, x: shift(call, scale(resolved(activate(call, x, "asin")), -1.0), math.pi / 2, 1.0),
    ),
    "cosh": (torch.cosh, lambda call, x: _hyperbolic(call, x, 1.0)),
}
"""By name, the function, and what makes it of a value."""


@handles(*MADE, curves=True)
def made(call: Call) -> Any:
    """A part of a longer function of one value, or else a sum of activations."""
    function, make = MADE[call.function]
    if isinstance(call.args[0], Mask):
        raise Unsupported("a function of an attention mask: only a softmax reads one")

    def value(x: Value) -> Value:
        return make(replace(call, shape=x.shape), x)

    return value(call.args[0]) if (known := curve(call.args[0])) is None else known.then(function, value)
