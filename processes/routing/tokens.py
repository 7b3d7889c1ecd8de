"""Later tokens behind wiring: the route of a part is the whole's, with fewer tokens in its shapes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from processes.errors import DeployError
from processes.routing import Route, Step, route_shape
from processes.tokens import Axes, Part, Tokens, tokens

Shape = tuple[int, ...]


@tokens.of(Route)
def _(op: Route, operands: Sequence[Axes]) -> Tokens:
    """Axes move through the chain; wiring that drops, repeats or reorders tokens has none of a part."""
    given = operands[0]
    shape, before = op.source_shape, given
    for step in op.chain:
        after = _moved(shape, before, step)
        shape, before = route_shape(shape, (step,)), after
    source = op.source_shape

    def rewired(part: Part) -> dict[str, Any]:
        chain, shape, axes = [], source, given
        for step in op.chain:
            after = _moved(shape, axes, step)
            shape = route_shape(shape, (step,))
            kind, argument = step
            if kind in ("reshape", "expand"):
                argument = list(Part(after, part.first, part.stop).shape(tuple(argument)))
            chain.append([kind, argument])
            axes = after
        return {"steps": json.dumps(chain), "source_shape": Part(given, part.first, part.stop).shape(source)}

    return Tokens(before, rewired=rewired)


def _moved(shape: Shape, axes: Axes, step: Step) -> Axes:
    """The axes behind a step.

    Raises:
        DeployError: tokens are no axis of their own behind it, or not all of them in their order.
    """
    kind, argument = step
    places = [axis for axis in (axes.rows, axes.columns) if axis is not None]
    full = [axis + len(shape) for axis in places]
    match kind:
        case "reshape":
            found = [_after_reshape(shape, axis, tuple(argument)) - len(argument) for axis in full]
        case "permute":
            found = [list(argument).index(axis) - len(shape) for axis in full]
        case "expand":
            found = places
        case "slice" | "take":
            kept = argument[0] in full and not _keeps(kind, argument, shape[argument[0]])
            found = _unless(kept, places)
        case "pad":
            padded = {len(shape) - 1 - side // 2 for side, amount in enumerate(argument) if amount}
            found = _unless(bool(padded & set(full)), places)
        case "roll":
            found = _unless(bool(set(argument[1]) & set(full)), places)
        case _:
            raise ValueError(f"unknown routing step {kind!r}")
    return Axes(found[0], found[1] if len(found) > 1 else None, axes.masked)


def _keeps(kind: str, argument: Any, size: int) -> bool:
    """Whether a selection takes all tokens in their order."""
    if kind == "take":
        return list(argument[1]) == list(range(size))
    return list(range(*slice(*argument[1:]).indices(size))) == list(range(size))


def _unless(touched: bool, places: list[int]) -> list[int]:
    if touched:
        raise DeployError("it drops, repeats or reorders tokens")
    return places


def _after_reshape(shape: Shape, axis: int, wanted: Shape) -> int:
    """Where an axis stands in another shape of as many values."""
    before = math.prod(shape[:axis])
    for place, size in enumerate(wanted):
        if size == shape[axis] and math.prod(wanted[:place]) == before:
            return place
    raise DeployError("tokens are no axis of their own behind it")
