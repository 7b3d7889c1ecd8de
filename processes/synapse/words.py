"""What reports say about synapses."""

from __future__ import annotations

from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from processes.words import NO_STAGE, kind, meaning, not_spikes, role

meaning.always("synapses: the weights of a linear layer, added up for the spikes that arrive", DenseSynapse)
meaning.always("synapses: the weights of a convolution, added up for the spikes that arrive", ConvSynapse)
meaning.always("one synapse per neuron, for a branch that joins a residual stream, or for a mean", ScaleSynapse)
kind.always("connections", DenseSynapse, ConvSynapse, ScaleSynapse)
not_spikes.always(None, DenseSynapse, ConvSynapse, ScaleSynapse)
role.refuse(NO_STAGE, DenseSynapse, ConvSynapse, ScaleSynapse)
