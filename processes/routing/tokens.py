"""How routes go on with later tokens: the route of some tokens is the whole one with fewer tokens in its shapes."""

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
    """Follow the axes that count tokens through the chain, and rewrite its shapes for a part of the tokens.

    Raises:
        DeployError: a step drops, repeats or reorders tokens, or merges their axis with others.
    """
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
    """The axes that count tokens behind a routing step on samples of ``shape``.

    Raises:
        DeployError: the step drops, repeats or reorders tokens, or merges their axis with others.
        ValueError: the kind of the step is unknown.
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
    """Whether a "slice" or "take" step selects all ``size`` tokens in their order."""
    if kind == "take":
        return list(argument[1]) == list(range(size))
    return list(range(*slice(*argument[1:]).indices(size))) == list(range(size))


def _unless(touched: bool, places: list[int]) -> list[int]:
    if touched:
        raise DeployError("it drops, repeats or reorders tokens")
    return places


def _after_reshape(shape: Shape, axis: int, wanted: Shape) -> int:
    """The position of an axis of ``shape`` in the shape ``wanted``, to which a sample is reshaped.

    Raises:
        DeployError: it is no axis of its own there.
    """
    before = math.prod(shape[:axis])
    for place, size in enumerate(wanted):
        if size == shape[axis] and math.prod(wanted[:place]) == before:
            return place
    raise DeployError("tokens are no axis of their own behind it")
