"""Functions of one potential, spelled out: recognised by what they compute, not by how they are written.

``x * sigmoid(1.702 * x)`` and ``0.5 * x * (1 + tanh(...))`` are activations written as several elementwise operations of one
value. While a model is lowered such an expression is kept as a plain function; when something else needs it, it is compared
with every known activation at potentials up to 10,000, and becomes the one that it equals but for a gain and an offset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from converters.lowering.builder import Unsupported, Value
from processes.phase_neuron.activations import ACTIVATIONS, activation

Function = Callable[[torch.Tensor], torch.Tensor]

NEAR = torch.cat([torch.linspace(-12, 12, 2401), torch.linspace(-0.5, 0.5, 101)]).double()
"""Potentials where activations bend."""
REACH = torch.logspace(1, 4, 301, dtype=torch.float64)
FAR = torch.cat([-REACH, REACH])
"""Potentials where they have become straight: what is clamped at 100 is no ReLU."""
SAME = 1e-6
"""Relative difference: constants such as sqrt(2 / pi) are written with six digits or more."""


@dataclass(frozen=True)
class Curve:
    """A function of every element of a value.

    Attributes:
        of: the value, with nothing pending but a route; of a square, with anything.
        function: elementwise, of float64 tensors.
        otherwise: what it is if no known activation equals it; None if it is nothing then.
        square_of: the value that it is the square of, with its gain and offset; None if it is the square of none.
    """

    of: Value
    function: Function
    otherwise: Callable[[], Value] | None = None
    square_of: Value | Curve | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape, that of the value."""
        return self.of.shape

    def then(self, function: Function, otherwise: Callable[[Value], Value] | None = None) -> Curve:
        """``function`` of this curve; ``otherwise`` does the same to a value."""
        before, value = self.function, self.otherwise
        after = None if value is None or otherwise is None else lambda: otherwise(value())
        return Curve(self.of, lambda v: function(before(v)), after)

    def value(self) -> Value:
        """The same as an activation with a gain and an offset.

        Raises:
            Unsupported: it equals none that is known, and is nothing otherwise.
        """
        found = self.function(NEAR)
        largest = float(found.abs().max())
        for name in ACTIVATIONS if self.of.plain else ():
            if name == "identity" and self.otherwise is not None:
                continue  # a gain and an offset, which the value has its own way of holding
            f = activation(name).torch
            columns = torch.stack([f(NEAR), torch.ones_like(NEAR)], 1)
            gain, offset = torch.linalg.lstsq(columns, found[:, None]).solution[:, 0]
            near, far = ((gain * f(v) + offset, self.function(v)) for v in (NEAR, FAR))
            if torch.allclose(*near, rtol=0, atol=SAME * largest) and torch.allclose(
                *far, rtol=SAME, atol=SAME * largest
            ):
                return replace(self.of, activation=name, gain=_unless(gain, 1.0), offset=_unless(offset, 0.0))
        if self.otherwise is None:
            raise Unsupported("a function of one value that no threshold schedule is known for")
        return self.otherwise()


def resolved(x: Any) -> Any:
    """Values for curves, in lists and tuples too; everything else as it is."""
    if isinstance(x, (list, tuple)):
        return type(x)(resolved(item) for item in x)
    return x.value() if isinstance(x, Curve) else x


def curve(x: Value | Curve) -> Curve | None:
    """A value as a function of the potential that it follows from; None if more than numbers is pending on it."""
    if isinstance(x, Curve):
        return x
    numbers = all(p is None or p.numel() == 1 for p in (x.gain, x.offset))
    if not numbers or x.normaliser or x.mask:
        return None
    gain = 1.0 if x.gain is None else float(x.gain)
    offset = 0.0 if x.offset is None else float(x.offset)
    f = activation(x.activation).torch
    return Curve(Value(x.node, x.shape, x.steps), lambda v: gain * f(v) + offset, lambda: x)


def combined(
    x: Any,
    y: Any,
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    otherwise: Callable[[Value, Value], Value] | None = None,
) -> Curve | None:
    """``function`` of two values that are functions of one potential; None if they are not.

    ``otherwise`` makes of the two values what the curve is if no known activation equals it.
    """
    if not isinstance(x, (Value, Curve)) or not isinstance(y, (Value, Curve)):
        return None
    one, two = curve(x), curve(y)
    if function is torch.mul and otherwise is not None and isinstance(x, Value) and x == y and one is None:
        return None if x.mask else Curve(x, torch.square, lambda: otherwise(x, x), x)
    if one is None or two is None or one.of != two.of:
        return None
    f, g = one.function, two.function
    square = x if function is torch.mul and (x is y or (isinstance(x, Value) and x == y)) else None
    apart = None if otherwise is None else lambda: otherwise(resolved(x), resolved(y))
    return Curve(one.of, lambda v: function(f(v), g(v)), apart, square)


def _unless(number: torch.Tensor, plain: float) -> torch.Tensor | None:
    """The number, or None if it is ``plain`` but for rounding."""
    return None if abs(float(number) - plain) <= SAME else number
