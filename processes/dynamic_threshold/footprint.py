"""What dynamic-threshold neurons occupy on a chip."""

from __future__ import annotations

from processes.chips import Chip
from processes.dynamic_threshold import DynamicThreshold
from processes.footprint import NO_SYNAPSES, Amount, Fan, Neurons, Shape, drivers, fans, layout, message, neurons

drivers.refuse(NO_SYNAPSES, DynamicThreshold)
layout.always("rows", DynamicThreshold)


@neurons.of(DynamicThreshold)
def _(op: DynamicThreshold, operands: int) -> Neurons:
    """Per core a table; per row the sum; per column a scale and last step; per neuron a potential and what was sent."""
    state = Amount(core=op.steps, row=1, column=1 + (op.latest is not None), neuron=1 + (op.spikes > 1))
    return Neurons(state, row_neuron=True, row_operand=1)


@fans.of(DynamicThreshold)
def _(op: DynamicThreshold, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """The dividend comes as messages, one to one; the divisor is added up by each row's own neuron."""
    if operand == 0:
        return message(op, operand, shape, columns, chip)
    return (Fan("sum", shape[-1], Amount(row=shape[-1]), Amount(core=1), chip.weight_bits),)
