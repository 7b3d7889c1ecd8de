"""Invariants of readouts."""

from __future__ import annotations

from processes.invariants import Complaints, Shape, fits, has_shape, invariants, reads, real_in_fixed_point
from processes.readout import Readout

reads.always("potentials", Readout)
real_in_fixed_point.always(frozenset(), Readout)


@invariants.of(Readout)
def _(op: Readout, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The output has the shape of the operand, and ``unit`` broadcasts to it."""
    yield from has_shape(op, shapes[0])
    yield from fits("unit", op.unit, op.shape)
