"""Footprint of elementwise products: two local traces for each neuron that integrates the product."""

from __future__ import annotations

import math

import numpy as np

from processes.chips import Chip
from processes.elementwise_product import ElementwiseProduct
from processes.footprint import NO_NEURONS, Amount, Fan, Shape, drivers, fans, layout, neurons

neurons.refuse(NO_NEURONS, ElementwiseProduct)
layout.always("rows", ElementwiseProduct)


@fans.of(ElementwiseProduct)
def _(op: ElementwiseProduct, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each neuron stores one trace of the operand; one that broadcasts reaches all rows and columns it repeats in."""
    rows = math.prod(op.shape[:-1]) // math.prod(shape[:-1])
    return (Fan("trace", 1, Amount(neuron=1), Amount(neuron=1), chip.trace_bits, (rows, op.shape[-1] // shape[-1])),)


@drivers.of(ElementwiseProduct)
def _(op: ElementwiseProduct, operand: int, source: np.ndarray) -> np.ndarray:
    """Each output is driven by one neuron of the operand."""
    return np.broadcast_to(source, op.shape).reshape(-1, 1)
