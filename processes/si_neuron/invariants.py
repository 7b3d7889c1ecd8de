"""Invariants of fitted neurons."""

from __future__ import annotations

from processes.invariants import Complaints, Shape, fits, has_shape, invariants, reads, real_in_fixed_point, table
from processes.si_neuron import SiNeuron

reads.always("potentials", SiNeuron)
real_in_fixed_point.always(frozenset({"output"}), SiNeuron)


@invariants.of(SiNeuron)
def _(op: SiNeuron, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The output has the operand's shape; tables have K steps, and one row for all neurons or one for each unit."""
    yield from has_shape(op, shapes[0])
    yield from fits("unit", op.unit, op.shape)
    for field in ("threshold", "reset"):
        yield from table(field, getattr(op, field), (1, op.steps), (op.unit.size, op.steps))
