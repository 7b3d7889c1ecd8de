"""Invariants of elementwise products."""

from __future__ import annotations

import numpy as np

from processes.elementwise_product import ElementwiseProduct
from processes.invariants import Complaints, Shape, has_shape, invariants, reads, real_in_fixed_point, traces

reads.always("spikes", ElementwiseProduct)
real_in_fixed_point.always(frozenset(), ElementwiseProduct)


@invariants.of(ElementwiseProduct)
def _(op: ElementwiseProduct, shapes: list[Shape], steps: list[int]) -> Complaints:
    """Operands broadcast, each has a trace that is 0 after its window, and the largest entries' product fits."""
    ranks = [len(shape) for shape in shapes]
    if ranks[0] == ranks[1] and all(1 in pair or pair[0] == pair[1] for pair in zip(*shapes, strict=True)):
        yield from has_shape(op, np.broadcast_shapes(*shapes))
    else:
        yield f"operands {shapes[0]} and {shapes[1]} do not broadcast"
    yield from traces(op.traces, steps)
    if op.state_bits and op.traces.size:
        reach = int(op.traces[0].max()) * int(op.traces[1].max())
        if op.traces.min() < 0 or reach >= 2 ** (op.state_bits - 1):
            yield f"traces multiply to {reach}, beyond {op.state_bits} bits"
