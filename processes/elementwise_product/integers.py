"""Elementwise products in integers: traces are so small that no product exceeds the width of a potential."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.elementwise_product import ElementwiseProduct, largest
from processes.integers import FixedPosition, Integers, Setting, integers
from processes.phase_code import side_by_side


@integers.of(ElementwiseProduct)
def _(op: ElementwiseProduct, at: FixedPosition, setting: Setting) -> Integers:
    """Round the traces, which begin at the same value for both operands, the largest with which nothing can clip."""
    spikes = [operand.spikes for operand in at.operands]

    def traces(first: int) -> np.ndarray:
        return side_by_side([operand.code.trace_from(first) for operand in at.operands])

    def fits(first: int) -> bool:
        return math.prod(largest(t, n) for t, n in zip(traces(first), spikes, strict=True)) <= setting.chip.state_limit

    first = setting.chip.product_trace_limit(1.0)
    while not fits(first):
        first -= 1
    return Integers(replace(op, traces=traces(first), state_bits=setting.chip.state_bits), at.unit / first**2)
