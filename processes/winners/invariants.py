"""Invariants of k winners."""

from __future__ import annotations

from processes.invariants import Complaints, Shape, has_shape, invariants, reads, real_in_fixed_point
from processes.winners import Winners

reads.always("spikes", Winners)
real_in_fixed_point.always(frozenset(), Winners)


@invariants.of(Winners)
def _(op: Winners, shapes: list[Shape], steps: list[int]) -> Complaints:
    """There is one operand, which has the output's shape, and a group has at least as many values as winners."""
    if len(shapes) != 1:
        yield f"operands of {shapes}"
        return
    yield from has_shape(op, shapes[0])
    if not op.shape or not 1 <= op.count <= op.shape[-1]:
        yield f"{op.count} winners in groups of shape {op.shape}"
