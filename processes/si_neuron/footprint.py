"""Footprint of fitted neurons."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.si_neuron import SiNeuron

fans.of(SiNeuron)(message)
drivers.refuse(NO_SYNAPSES, SiNeuron)
layout.always("rows", SiNeuron)


@neurons.of(SiNeuron)
def _(op: SiNeuron, operands: int) -> Neurons:
    """A core stores a threshold and a reset for every step, a neuron its potential."""
    return Neurons(Amount(core=2 * op.steps, neuron=1))
