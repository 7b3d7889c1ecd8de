"""Invariants of routes."""

from __future__ import annotations

from processes.invariants import Complaints, Kind, Shape, has_shape, invariants, reads, real_in_fixed_point
from processes.routing import Route, route_shape


@reads.of(Route)
def _(op: Route, operand: int) -> Kind:
    """A route reads what it carries: spikes, or potentials."""
    return "spikes" if op.fires else "potentials"


real_in_fixed_point.always(frozenset(), Route)


@invariants.of(Route)
def _(op: Route, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The kind of message is known, and ``shape`` is what the steps make of the operand's shape."""
    if op.source_shape != shapes[0] or op.carries not in ("spikes", "currents", "graded"):
        yield f"routes {op.carries} of shape {op.source_shape}, its operand has {shapes[0]}"
    yield from has_shape(op, route_shape(op.source_shape, op.chain))
