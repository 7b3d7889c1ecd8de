"""Footprint of rate neurons."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.rate_neuron import RateNeuron

fans.of(RateNeuron)(message)
drivers.refuse(NO_SYNAPSES, RateNeuron)
layout.always("rows", RateNeuron)
neurons.always(Neurons(Amount(neuron=1)), RateNeuron)  # a potential
