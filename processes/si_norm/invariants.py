"""Invariants of SI-norm."""

from __future__ import annotations

from processes.invariants import WIDEST, Complaints, Shape, has_shape, invariants, reads, real_in_fixed_point, table
from processes.si_norm import SiNorm

reads.always("spikes", SiNorm)
real_in_fixed_point.always(frozenset(), SiNorm)


@invariants.of(SiNorm)
def _(op: SiNorm, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The table has an entry for each fitted step of the operand; form, steps, digits and scale are in range."""
    yield from has_shape(op, shapes[0])
    yield from table("output", op.output, (len(op.output), steps[0] - op.digits))
    if op.form not in ("digits", "train") or not 1 <= op.steps <= 2**14 or not 0 <= op.digits <= WIDEST:
        yield f"{op.steps} steps of the form {op.form}, {op.digits} digits"
    if op.scale.size != 1 or not 0 < op.scale.flat[0] <= 1:
        yield "scale is no power of two of at most 1"
