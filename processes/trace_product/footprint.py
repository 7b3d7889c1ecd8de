"""Footprint of products of two spike trains: the traces that a tile stores, and what a source neuron reaches."""

from __future__ import annotations

import numpy as np

from processes.chips import Chip
from processes.footprint import NO_NEURONS, Amount, Fan, Shape, drivers, fans, layout, neurons
from processes.trace_product import SquareSum, TraceProduct

neurons.refuse(NO_NEURONS, TraceProduct, SquareSum)
layout.always("groups", TraceProduct)
layout.always("rows", SquareSum)


@fans.of(TraceProduct)
def _(op: TraceProduct, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each row of a tile stores the local traces of one row of a, each column those of one row (column) of b."""
    length = shape[-1] if operand == 0 or op.transpose_b else shape[-2]
    group, width = op.shape[-2:]
    stored, reach = (Amount(row=length), (1, width)) if operand == 0 else (Amount(column=length), (group, 1))
    return (Fan("trace", length, stored, stored, chip.trace_bits, reach),)


@fans.of(SquareSum)
def _(op: SquareSum, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each row stores the local traces of its own neurons; a source neuron reaches the sum of its row alone."""
    stored = Amount(row=shape[-1])
    return (Fan("trace", shape[-1], stored, stored, chip.trace_bits),)


@drivers.of(TraceProduct)
def _(op: TraceProduct, operand: int, source: np.ndarray) -> np.ndarray:
    """Output (i, j) is driven by row i of a and by row or column j of b."""
    side = source if operand == 0 or op.transpose_b else source.swapaxes(-1, -2)
    side = side[..., :, None, :] if operand == 0 else side[..., None, :, :]  # (..., rows, columns, length)
    return np.broadcast_to(side, (*op.shape, side.shape[-1])).reshape(-1, side.shape[-1])


@drivers.of(SquareSum)
def _(op: SquareSum, operand: int, source: np.ndarray) -> np.ndarray:
    """The sum of a row is driven by all neurons of the row."""
    return source.reshape(-1, source.shape[-1])
