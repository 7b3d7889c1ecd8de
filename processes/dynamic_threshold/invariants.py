"""What has to hold for dynamic-threshold neurons to run: shapes, tables and ranges."""

from __future__ import annotations

from processes.dynamic_threshold import DynamicThreshold
from processes.invariants import (
    WIDEST,
    Complaints,
    Kind,
    Shape,
    fits,
    further_spikes,
    has_shape,
    invariants,
    reads,
    real_in_fixed_point,
    table,
    within,
)


@reads.of(DynamicThreshold)
def _(op: DynamicThreshold, operand: int) -> Kind:
    """Potentials, but for the exponentials that softmax divides by: these come as spikes and are added up here."""
    return "spikes" if operand == 1 and not op.squared else "potentials"


real_in_fixed_point.always(frozenset(), DynamicThreshold)


@invariants.of(DynamicThreshold)
def _(op: DynamicThreshold, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Operands of the same rows, a threshold for every step, shifts in fixed point."""
    yield from has_shape(op, shapes[0])
    yield from fits("scale", op.scale, op.shape)
    window, rows = op.code.steps, op.scale.size
    if shapes[1][:-1] != shapes[0][:-1] or (op.squared and shapes[1][-1] != 1) or op.scale.ndim != len(op.shape):
        yield f"operands {shapes[0]} and {shapes[1]} do not divide"
    yield from table("table", op.table, (rows, window))
    yield from further_spikes(op, window, window)
    if not op.squared:
        yield from table("trace", op.trace, (steps[1],))
    if not op.state_bits:
        return
    yield from table("shift", op.shift, (rows,))
    yield from within("shift", op.shift, 0, 2 * WIDEST - 2)
    if op.cuts and not (2 <= op.drive_bits <= WIDEST and abs(op.drive_shift) <= WIDEST):
        yield f"cuts to {op.drive_bits} bits by {op.drive_shift}"
    if op.spikes > 1:
        for field, shape in (("levels", window), ("midpoints", window), ("gain", rows), ("gain_shift", rows)):
            yield from table(field, getattr(op, field), (shape,))
        yield from within("gain_shift", op.gain_shift, 0, 2 * WIDEST - 2)
