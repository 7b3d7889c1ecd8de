"""Footprint of readouts."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.readout import Readout

fans.of(Readout)(message)
drivers.refuse(NO_SYNAPSES, Readout)
layout.always("rows", Readout)
neurons.always(Neurons(Amount(neuron=1)), Readout)  # a potential
