"""Functions of one potential that are written as several operations, recognised by what they compute.

``x * sigmoid(1.702 * x)`` and ``0.5 * x * (1 + tanh(...))`` are activations written as several elementwise operations of one
value. While a model is lowered such an expression is kept as a plain function; when something else needs it, it is compared
with every known activation at potentials up to 10,000, and becomes the one that it equals up to a gain and an offset. A
function of straight pieces becomes an activation of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from converters.lowering.arithmetic import is_number
from converters.lowering.builder import Unsupported, Value
from converters.lowering.pieces import straight_pieces
from processes.phase_neuron.activations import ACTIVATIONS, activation

Function = Callable[[torch.Tensor], torch.Tensor]

NEAR = torch.cat([torch.linspace(-12, 12, 2401), torch.linspace(-0.5, 0.5, 101)]).double()
"""Potentials where activations bend."""
REACH = torch.logspace(1, 4, 301, dtype=torch.float64)
FAR = torch.cat([-REACH, REACH])
"""Potentials where activations have become straight: a function that is clamped at 100 is no ReLU."""
SAME = 1e-6
"""Relative difference of functions that count as equal: constants such as sqrt(2 / pi) have six digits or more."""
KNOWN = (*ACTIVATIONS, "elu:1", "softplus:1")
"""Activations that a function is compared with."""


@dataclass(frozen=True)
class Curve:
    """An elementwise function of a value, not yet recognised as an activation.

    Attributes:
        of: the value, with nothing pending but a route; of a square, with anything.
        function: elementwise, of float64 tensors.
        otherwise: makes the function's value by other means, if no known activation equals it; None if there are none.
        square_of: the value or function that this is the square of; None if it is no square.
    """

    of: Value
    function: Function
    otherwise: Callable[[], Value] | None = None
    square_of: Value | Curve | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape of the value."""
        return self.of.shape

    def then(self, function: Function, otherwise: Callable[[Value], Value] | None = None) -> Curve:
        """``function`` of this curve as another curve; ``otherwise`` applies the function to a value by other means."""
        before, value = self.function, self.otherwise
        after = None if value is None or otherwise is None else lambda: otherwise(value())
        return Curve(self.of, lambda v: function(before(v)), after)

    def value(self) -> Value:
        """The curve as a value: a known activation with a gain and an offset, or what ``otherwise`` makes.

        Raises:
            Unsupported: no known activation equals the function, and there is no ``otherwise``.
        """
        found = self.function(NEAR).double()
        middle = float(found[NEAR.abs() <= 1].abs().max())
        close = SAME * min(float(found.abs().max()), 12 * max(1.0, middle))  # an exponential has values of any size
        varies = bool(found.isfinite().all()) and bool(
            (found != found[0]).any()
        )  # not but for single potentials, as x == 1
        for name in KNOWN if self.of.plain and varies else ():
            if name == "identity" and self.otherwise is not None:
                continue  # a gain and an offset, which the value has its own way of holding
            f = activation(name).torch
            columns = torch.stack([f(NEAR), torch.ones_like(NEAR)], 1)
            gain, offset = torch.linalg.lstsq(columns, found[:, None]).solution[:, 0]
            near, far = ((gain * f(v) + offset, self.function(v).double()) for v in (NEAR, FAR))
            if all(torch.allclose(*both, rtol=SAME, atol=close) for both in (near, far)):
                return replace(self.of, activation=name, gain=_unless(gain, 1.0), offset=_unless(offset, 0.0))
        if self.of.plain and (found := straight_pieces(self.function)) is not None:
            numbers = (torch.tensor(number, dtype=torch.float64) for number in (found.gain, found.offset))
            gain, offset = (_unless(number, plain) for number, plain in zip(numbers, (1.0, 0.0), strict=True))
            return replace(self.of, activation=found.activation, gain=gain, offset=offset)
        if self.otherwise is None:
            raise Unsupported("a function of one value that no threshold schedule is known for")
        return self.otherwise()


def resolved(x: Any) -> Any:
    """x with curves replaced by their values, in lists and tuples, too; everything else stays as it is."""
    if isinstance(x, (list, tuple)):
        return type(x)(resolved(item) for item in x)
    return x.value() if isinstance(x, Curve) else x


def curve(x: Value | Curve) -> Curve | None:
    """A value as a function of its node's potential; None if more is pending than activation, route and numbers.

    Nor is a padded value one, as it is 0 at its padding whatever the function.
    """
    if isinstance(x, Curve):
        return x
    numbers = all(p is None or p.numel() == 1 for p in (x.gain, x.offset))
    if not numbers or x.normaliser or x.mask or x.padded:
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
    """``function`` of two operands that are functions of the same potential, as a curve; None if they are not.

    ``otherwise`` computes it from the two values by other means, if no known activation equals the curve. A product of
    a value with itself is a curve whatever is pending on it but a mask.
    """
    if not isinstance(x, (Value, Curve)) or not isinstance(y, (Value, Curve)):
        return None
    one, two = curve(x), curve(y)
    if function is torch.mul and otherwise is not None and isinstance(x, Value) and x == y and one is None:
        return None if x.mask else Curve(x, torch.square, lambda: otherwise(x, x), x)
    if one is None or two is None or one.of != two.of:
        return None
    square = x if function is torch.mul and (x is y or (isinstance(x, Value) and x == y)) else None
    found = joint((x, y), function, otherwise)
    return found if found is None else replace(found, square_of=square)


def joint(
    operands: Sequence[Any], function: Callable[..., torch.Tensor], otherwise: Callable[..., Value] | None = None
) -> Curve | None:
    """``function`` of operands that are numbers or functions of one and the same potential, as a curve; None if they are not.

    ``otherwise`` computes it from the operands' values by other means, if no known activation equals the curve.
    """
    given: list[Function] = []
    of: list[Value] = []
    for operand in operands:
        if is_number(operand):
            number = torch.as_tensor(operand, dtype=torch.float64).detach().reshape(())
            given.append(lambda v, number=number: number)
        elif isinstance(operand, (Value, Curve)) and (known := curve(operand)) is not None:
            given.append(known.function)
            of.append(known.of)
        else:
            return None
    if not of or any(other != of[0] for other in of):
        return None
    apart = None if otherwise is None else lambda: otherwise(*resolved(tuple(operands)))
    return Curve(of[0], lambda v: function(*(part(v) for part in given)), apart)


def _unless(number: torch.Tensor, plain: float) -> torch.Tensor | None:
    """The number, or None if it equals ``plain`` up to rounding."""
    return None if abs(float(number) - plain) <= SAME else number
