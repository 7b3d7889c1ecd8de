"""Footprint of neurons that divide by their threshold."""

from __future__ import annotations

from processes.chips import Chip
from processes.dynamic_threshold import DynamicThreshold
from processes.footprint import NO_SYNAPSES, Amount, Fan, Neurons, Shape, drivers, fans, layout, message, neurons

drivers.refuse(NO_SYNAPSES, DynamicThreshold)
layout.always("rows", DynamicThreshold)


@neurons.of(DynamicThreshold)
def _(op: DynamicThreshold, operands: int) -> Neurons:
    """Thresholds over the window; the sum per row; a scale and a last step per column; a potential, and what was sent."""
    state = Amount(core=op.steps, row=1, column=1 + (op.latest is not None), neuron=1 + (op.spikes > 1))
    return Neurons(state, row_neuron=True, row_operand=1)


@fans.of(DynamicThreshold)
def _(op: DynamicThreshold, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """What is divided comes as messages; what divides is added up by the row's neuron."""
    if operand == 0:
        return message(op, operand, shape, columns, chip)
    return (Fan("sum", shape[-1], Amount(row=shape[-1]), Amount(core=1), chip.weight_bits),)
