"""Footprint of SI-exp."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.si_exp import SiExp

fans.of(SiExp)(message)
drivers.refuse(NO_SYNAPSES, SiExp)
layout.always("rows", SiExp)


@neurons.of(SiExp)
def _(op: SiExp, operands: int) -> Neurons:
    """A core stores the tables, a neuron its potential; with a clock, a neuron per row finds the largest potential."""
    state = Amount(core=sum(table.shape[-1] for table in op.tables.arrays), row=1, neuron=1)
    if op.clock is None:
        return Neurons(state)
    return Neurons(state, row_neuron=True, gathers="potentials")
