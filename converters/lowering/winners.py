"""The k largest values of a row (topk), and what a model does with them: k winners take all, whose spikes gate values.

No value is moved to its place in a sorted row, as a network's wiring does not depend on its input. Only operations that
do not depend on the order of the k values are known: functions of each, their sum and softmax, and scattering them
back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from converters.lowering.arithmetic import gate, is_number, scale
from converters.lowering.builder import Selection, Unsupported, Value, as_parameter
from converters.lowering.curves import resolved
from converters.lowering.handlers import HANDLERS, Call, handles
from converters.lowering.maxima import CODED
from processes.winners import Winners


@dataclass(frozen=True)
class Places(Selection):
    """The places of the largest values of rows.

    Attributes:
        mask: spikes of the winners, 1 at their places and 0 elsewhere; None if every value of a row is chosen.
        shape: of the rows.
    """

    mask: Value | None
    shape: tuple[int, ...]

    def follow(self, call: Call) -> Any:
        """Read or write values at the places; the places themselves after operations that change no value."""
        return call.args[0] if call.args[0] is self and call.function in SAME else of_chosen(call)


@dataclass(frozen=True)
class Chosen(Selection):
    """The chosen values of each row, whose order is not known.

    Attributes:
        of: all values of the rows.
        places: the places of the chosen ones.
    """

    of: Value
    places: Places

    def follow(self, call: Call) -> Any:
        """A function of each value, a sum, a softmax, or all values back at their places (:func:`of_chosen`)."""
        return of_chosen(call)

    def alone(self, call: Call) -> Value:
        """The rows with the chosen values at their places and 0 elsewhere."""
        mask = self.places.mask
        return self.of if mask is None else gate(replace(call, shape=self.of.shape), mask, self.of)


@dataclass(frozen=True)
class Unreachable(Selection):
    """Rows with the chosen values at their places and minus infinity elsewhere, before a sigmoid or a softmax."""

    chosen: Chosen

    def follow(self, call: Call) -> Any:
        """A sigmoid or softmax, which is 0 at minus infinity; everything else is refused."""
        if call.function in SAME:
            return self
        if call.function not in ("sigmoid", "softmax", "_softmax"):
            raise Unsupported("minus infinity beside the largest values, which only a sigmoid or a softmax makes 0")
        return of_chosen(replace(call, args=(self.chosen, *call.args[1:]))).alone(call)


@handles("topk")
def largest(call: Call) -> tuple[Chosen, Places]:
    """topk along the last axis: the largest values of rows, and their places."""
    x: Value = call.args[0]
    count, axis = int(call.args[1]), call.arg(2, "dim", -1) % len(x.shape)
    if axis != len(x.shape) - 1 or not call.arg(3, "largest", True):
        raise Unsupported("the smallest values, or the largest along another axis than the last")
    mask = None if count == x.shape[-1] else _race(call, x, count)
    places = Places(mask, x.shape)
    return Chosen(x, places), places


def _race(call: Call, x: Value, count: int) -> Value:
    """The spikes of each row's ``count`` winners.

    A gain above zero or an offset that is the same along a row does not change them; with others, x is coded anew.
    """
    builder = call.builder
    node = builder.fire(x)
    coded = isinstance(builder.network[builder.network.origin(node)], CODED)
    for pending, least in ((x.gain, 0.0), (x.offset, -torch.inf)):
        if pending is not None:
            parameter = as_parameter(pending, x.shape)
            coded = coded and parameter.shape[-1] == 1 and bool((parameter > least).all())
    if not coded:
        x = Value(builder.join(x), x.shape)
    op = Winners(shape=x.shape, count=count)
    return Value(builder.network.add(f"{call.name}.winners", op, builder.spikes(x)[0]), x.shape)


SAME = frozenset({"to", "_to_copy", "type_as", "clone", "alias", "detach", "contiguous"})
"""Operations that change no value."""
POINTWISE = SAME | {"mul", "mul_", "div", "div_", "add", "add_", "sub", "sub_", "neg", "sigmoid", "relu", "tanh", "exp"}
"""Functions of each value by itself, which give the same before and after choosing."""


def of_chosen(call: Call) -> Any:
    """Lower an operation on chosen values or on their places.

    Raises:
        Unsupported: the operation depends on their order, or combines them in a way that is not known.
    """
    if call.function in POINTWISE:
        return _pointwise(call)
    match call.function:
        case "sum":
            return _sum(call)
        case "softmax" | "_softmax":
            return _softmax(call)
        case "gather":
            return _gather(call)
        case "scatter" | "scatter_":
            return _scatter(call)
        case _:
            raise Unsupported("it asks for the order of the largest values, or where they are")


def _pointwise(call: Call) -> Any:
    """A function of each chosen value, applied to all values of the rows."""
    found = [arg for arg in call.args if isinstance(arg, Chosen)]
    rest = [] if call.function in SAME else [arg for arg in call.args if not isinstance(arg, Chosen)]
    if not found or any(chosen.places is not found[0].places for chosen in found):
        raise Unsupported("values chosen by different races")
    if any(getattr(arg, "shape", (1,))[-1:] not in ((), (1,)) for arg in rest if isinstance(arg, Value | torch.Tensor)):
        raise Unsupported("another operand for each of the largest values")
    args = tuple(arg.of if isinstance(arg, Chosen) else arg for arg in call.args)
    result = resolved(HANDLERS[call.function](replace(call, args=args, shape=found[0].of.shape)))
    return Chosen(result, found[0].places)


def _along_rows(call: Call, shape: tuple[int, ...], axes: Any) -> None:
    """Raise Unsupported if an operation goes along other axes than the last one."""
    axes = [axes] if isinstance(axes, int) else list(axes or [])
    if [axis % len(shape) for axis in axes] != [len(shape) - 1]:
        raise Unsupported("the largest values of several rows together")


def _sum(call: Call) -> Any:
    """The sum of each row's chosen values."""
    chosen: Chosen = call.args[0]
    _along_rows(call, chosen.of.shape, call.arg(1, "dim"))
    return HANDLERS["sum"](replace(call, args=(chosen.alone(call), *call.args[1:])))


def _softmax(call: Call) -> Chosen:
    """The softmax of each row's chosen values: that of all values, divided by the sum of its chosen ones."""
    chosen: Chosen = call.args[0]
    _along_rows(call, chosen.of.shape, call.args[1])
    shape = chosen.of.shape
    weights = resolved(HANDLERS["softmax"](replace(call, args=(chosen.of, -1), kwargs={}, shape=shape)))
    every = Chosen(weights, chosen.places)
    if chosen.places.mask is None:
        return every
    part = HANDLERS["sum"](
        replace(call, function="sum", args=(every.alone(call), [-1], True), kwargs={}, shape=(*shape[:-1], 1))
    )
    divided = HANDLERS["div"](replace(call, function="div", args=(every.of, part), kwargs={}, shape=shape))
    return replace(every, of=resolved(divided))


def _gather(call: Call) -> Chosen:
    """Values of other rows of the same shape, at the places of the largest ones."""
    x, axis, places = call.args[:3]
    if not isinstance(x, Value) or not isinstance(places, Places) or x.shape != places.shape:
        raise Unsupported("values from the places of the largest values of other rows")
    _along_rows(call, x.shape, axis)
    return Chosen(x, places)


def _scatter(call: Call) -> Any:
    """Chosen values, or one number, written to the places of the largest values over zeros or minus infinity."""
    source: Any = call.arg(3, "src", call.kwargs.get("value"))
    x, axis, places = call.args[:3]
    if not isinstance(places, Places) or tuple(x.shape) != places.shape:
        raise Unsupported("the largest values written where others stand")
    _along_rows(call, places.shape, axis)
    own = isinstance(source, Chosen) and source.places is places
    if own and not isinstance(x, Value) and bool((x == -torch.inf).all()):
        return Unreachable(source)
    if places.mask is not None and (isinstance(x, Value) or bool((x != 0).any())):
        raise Unsupported("the largest values written over others than zeros")
    if isinstance(source, Chosen):
        if own:
            return source.alone(call)
        raise Unsupported("values chosen by another race, that are written to the places of the largest ones")
    if not is_number(source):
        raise Unsupported("other values written to the places of the largest ones")
    if places.mask is not None:
        return scale(places.mask, float(source))
    return torch.full(places.shape, float(source), dtype=x.dtype if isinstance(x, torch.Tensor) else None)
