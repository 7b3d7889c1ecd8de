"""Footprint of SI-norm."""

from __future__ import annotations

from processes.chips import Chip
from processes.footprint import NO_SYNAPSES, WORD_BITS, Amount, Fan, Neurons, Shape, drivers, fans, layout, neurons
from processes.si_norm import SiNorm

drivers.refuse(NO_SYNAPSES, SiNorm)
layout.always("rows", SiNorm)
# a row holds its sum; a neuron the number of the clock, the sum of the fitted outputs, and its potential
neurons.always(Neurons(Amount(row=1, neuron=3), row_neuron=True), SiNorm)


@fans.of(SiNorm)
def _(op: SiNorm, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """Each spike reaches its own neuron as a message, and the row's neuron; a core stores the table of outputs."""
    spelling = Amount(core=op.output.size)
    listens = Fan("sum", shape[-1], Amount(row=shape[-1]), spelling, WORD_BITS, to_row=True)
    return Fan("message", 1, Amount(), spelling, WORD_BITS), listens
