"""Invariants of SI-exp."""

from __future__ import annotations

from processes.invariants import (
    WIDEST,
    Complaints,
    Shape,
    heads_of,
    invariants,
    reads,
    real_in_fixed_point,
    softmax_rows,
    table,
)
from processes.si_exp import SiExp

reads.always("potentials", SiExp)
real_in_fixed_point.always(frozenset({"gain"}), SiExp)


@invariants.of(SiExp)
def _(op: SiExp, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Tables have one row for all heads or one for each, and an entry for each fitted step or digit of the clock."""
    yield from softmax_rows(op, shapes)
    heads, fitted = op.threshold.shape
    if heads not in heads_of(op):
        yield f"tables of {heads} heads"
    yield from table("reset", op.reset, (heads, fitted))
    yield from table("output", op.output, (len(op.output), fitted))
    if op.clock is not None:
        yield from table("clock", op.clock, (heads, op.digits))
        yield from table("half", op.half, (heads,))
    if op.digits > WIDEST:
        yield f"a clock of {op.digits} digits"
