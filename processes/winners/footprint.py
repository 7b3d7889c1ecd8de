"""Footprint of k winners: every neuron of a group receives the spikes of the whole group."""

from __future__ import annotations

import numpy as np

from processes.chips import Chip
from processes.footprint import WORD_BITS, Amount, Fan, Neurons, Shape, drivers, fans, layout, neurons
from processes.winners import Winners

layout.always("rows", Winners)


@neurons.of(Winners)
def _(op: Winners, operands: int) -> Neurons:
    """A neuron holds two bits (live and won) for each value of its group, and the places that are left."""
    return Neurons(Amount(neuron=-(-2 * op.shape[-1] // WORD_BITS) + 1))


@fans.of(Winners)
def _(op: Winners, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each neuron has a synapse from each value of its group, which identifies the value and has no weight."""
    group = op.shape[-1]
    return (Fan("dense", group, Amount(row=group), Amount(core=group), chip.weight_bits, (1, group)),)


@drivers.of(Winners)
def _(op: Winners, operand: int, source: np.ndarray) -> np.ndarray:
    """Each neuron is driven by all neurons of its group."""
    return np.repeat(source.reshape(-1, source.shape[-1]), op.shape[-1], axis=0)
