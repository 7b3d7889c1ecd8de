"""Invariants of products of two spike trains."""

from __future__ import annotations

import torch

from processes.invariants import (
    WIDEST,
    Complaints,
    Shape,
    fits,
    has_shape,
    invariants,
    reads,
    real_in_fixed_point,
    table,
    traces,
    within,
)
from processes.trace_product import SquareSum, TraceProduct

reads.always("spikes", TraceProduct, SquareSum)
real_in_fixed_point.always(frozenset(), TraceProduct, SquareSum)


@invariants.of(TraceProduct)
def _(op: TraceProduct, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Operands have shapes that multiply, and each has a trace that is 0 after its window."""
    a, b = (torch.empty(shape, device="meta") for shape in shapes)
    if shapes[0][:-2] != shapes[1][:-2] or abs(op.delay) > 2**20:
        yield f"operands {shapes[0]} and {shapes[1]} make no product"
    yield from traces(op.traces, steps)
    yield from has_shape(op, tuple(op.product(a, b).shape))
    yield from fits("bias", op.bias, op.shape)


FRACTION = 24  # most bits of a second word, so that sums of squares of 27 bits still fit 64 bits


@invariants.of(SquareSum)
def _(op: SquareSum, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The output has one value for each row; there is one weight or shift for all features, or one for each."""
    yield from has_shape(op, (*shapes[0][:-1], 1))
    yield from table("trace", op.trace, (steps[0],))
    factor = op.shift if op.state_bits else op.weight
    if factor is None or factor.size not in (1, shapes[0][-1]):
        yield f"{'shift' if op.state_bits else 'weight'} does not fit {shapes[0][-1]} features"
    yield from within("shift", op.shift, -WIDEST, WIDEST)
    if not 0 <= op.fraction_bits <= FRACTION:
        yield f"fraction_bits of {op.fraction_bits} are outside 0 to {FRACTION}"
