"""Footprint of integrate-and-fire neurons that fire while their input arrives."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.if_neuron import IfNeuron

fans.of(IfNeuron)(message)
drivers.refuse(NO_SYNAPSES, IfNeuron)
layout.always("rows", IfNeuron)


@neurons.of(IfNeuron)
def _(op: IfNeuron, operands: int) -> Neurons:
    """A neuron holds a potential, without streaming the current of a step, and with memory the count of its spikes."""
    return Neurons(Amount(neuron=1 + (not op.streams) + op.memory))
