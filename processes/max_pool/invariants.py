"""Invariants of max pooling."""

from __future__ import annotations

from processes.invariants import Complaints, Shape, fits, has_shape, invariants, reads, real_in_fixed_point
from processes.max_pool import MaxPool

EXACT = 2**53
"""Most spike trains that the closed form can rank: whole numbers that float64 holds exactly."""

reads.always("spikes", MaxPool)
real_in_fixed_point.always(frozenset(), MaxPool)


@invariants.of(MaxPool)
def _(op: MaxPool, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Shape and window fit the operand, the geometry is valid, and every field has a value that is no padding."""
    (source,) = shapes
    if len(source) != 4 or len(op.shape) != 4:
        yield f"pools samples of shape {source} to {op.shape}, not (1, channels, height, width)"
        return
    yield from has_shape(op, (*source[:2], *op.shape[2:]))
    yield from fits("scale", op.scale, op.shape)
    if steps[0] != op.steps:
        yield f"a window of {op.steps} steps, that of its operand has {steps[0]}"
    if op.spikes < 1 or (2 * op.steps + 1) ** op.spikes > EXACT:
        yield f"{op.spikes} spikes in {op.steps} steps"
    for field, least in (("kernel", 1), ("stride", 1), ("dilation", 1), ("padding", 0)):
        if len(value := getattr(op, field)) != 2 or min(value) < least:
            yield f"{field} is {value}"
            return
    if any(p > f * (k - 1) for p, f, k in zip(op.padding, op.dilation, op.kernel, strict=True)):
        yield f"padding {op.padding} of fields of {op.kernel}"
        return
    if (op.taps((1, 1, *source[2:])).max(-1) < 0).any():
        yield "a field holds nothing but padding"
    if any(op.scale.shape[axis] != 1 for axis in op.pooled):
        yield f"scale of shape {op.scale.shape} varies within a field"
