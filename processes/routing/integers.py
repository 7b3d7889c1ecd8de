"""Routes in integers: the units of potentials are routed with them."""

from __future__ import annotations

from processes.integers import FixedPosition, Integers, Setting, integers
from processes.routing import Route
from processes.routing.calibration import routed


@integers.of(Route)
def _(op: Route, at: FixedPosition, setting: Setting) -> Integers:
    """The route unchanged, with the operand's units routed; no unit if it carries spikes."""
    return Integers(op, None if op.carries == "spikes" else routed(op, at.operands[0].integer_unit))
