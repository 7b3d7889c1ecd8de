"""What has to hold for softmax rows that race (WOSS) to run: shapes, tables and ranges."""

from __future__ import annotations

from processes.invariants import (
    Complaints,
    Shape,
    further_spikes,
    heads_of,
    invariants,
    number_of,
    prefixes,
    reads,
    real_in_fixed_point,
    softmax_rows,
    table,
)
from processes.woss import Woss

reads.always("potentials", Woss)
real_in_fixed_point.always(frozenset({"gain"}), Woss)


@invariants.of(Woss)
def _(op: Woss, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Thresholds for every step, one row of them for all heads or one for each, and tables for all prefixes."""
    yield from softmax_rows(op, shapes)
    window = op.code.steps
    yield from table("ramp", op.ramp, *((heads, window) for heads in heads_of(op)))
    if op.race is not None:
        yield from table("race", op.race, *((heads, op.race.shape[-1]) for heads in heads_of(op)))
    yield from further_spikes(op, window, window)
    if op.spikes > 1:
        yield from prefixes(op.prefixes, op.spikes, window)
        yield from table("after", op.after, (len(op.ramp), number_of(op.prefixes), 2, window))
