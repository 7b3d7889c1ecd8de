"""Footprint of max pooling."""

from __future__ import annotations

import math

import numpy as np

from processes.chips import Chip
from processes.footprint import WORD_BITS, Amount, Fan, Neurons, Shape, drivers, fans, layout, neurons
from processes.max_pool import MaxPool

layout.always("rows", MaxPool)


@neurons.of(MaxPool)
def _(op: MaxPool, operands: int) -> Neurons:
    """A neuron holds a bit (live) for each value of its field."""
    return Neurons(Amount(neuron=-(-math.prod(op.kernel) // WORD_BITS)))


@fans.of(MaxPool)
def _(op: MaxPool, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each neuron has a synapse from each value of its field, which identifies the value and has no weight."""
    values = math.prod(op.kernel)
    high, wide = (
        -(-size * math.gcd(far, step) // step)
        for size, far, step in zip(op.kernel, op.dilation, op.stride, strict=True)
    )
    return (Fan("convolution", values, Amount(neuron=values), Amount(core=values), chip.weight_bits, (high, wide)),)


@drivers.of(MaxPool)
def _(op: MaxPool, operand: int, source: np.ndarray) -> np.ndarray:
    """Each neuron is driven by the neurons of its field; -1 stands for padding."""
    flat = np.concatenate([source.reshape(-1), [-1]])
    return flat[op.taps(source.shape)]
