"""Energy by FLOPs times firing rate, the formula of the SIT-conversion paper (section 4.1.2), and earlier of DIET-SNN.

    E_ANN = sum_l FLOPs(l) 4.6 pJ        E_SNN = sum_l FLOPs(l) SpikeNum(l) / NeuronNum(l) 0.9 pJ

over linear and convolutional layers l. FLOPs(l) are a layer's multiply-accumulates on all tokens or pixels of a sample;
SpikeNum(l) / NeuronNum(l) are the spikes per neuron of the population that feeds it, in all steps. Products of activations,
softmax, normalisation, potentials, thresholds and memory do not appear, which favours the spiking network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from deploy.schema import FlopsFormula, Layer
from processes.network import ConvSynapse, DenseSynapse, Network

ADD, MULTIPLY_ADD, MULTIPLY_ADD_INT8 = 0.9, 4.6, 0.23  # picojoules, 45 nm: M. Horowitz, ISSCC 2014
SOURCE = "SIT-conversion, section 4.1.2; M. Horowitz, Computing's energy problem, ISSCC 2014, 45 nm"
MICRO = 1e-6  # microjoules in a picojoule


def flops_formula(network: Network, layers: Iterable[Layer]) -> FlopsFormula:
    """Multiply-accumulates per sample, the additions that the formula makes of them, and microjoules of both networks.

    ``layers``: the report's, with ``spikes_per_neuron`` where they fire and counted ``events``. The omitted microjoules
    are those of synaptic operations and multiply-accumulates counted in other layers, at the same prices.
    """
    layers = list(layers)
    rates = {layer.name: layer.spikes_per_neuron or 0.0 for layer in layers}
    events = {layer.name: layer.events for layer in layers}
    flops = additions = left_additions = left_macs = 0.0
    for name, node in network:
        if isinstance(node.op, (DenseSynapse, ConvSynapse)):
            macs = math.prod(node.op.shape) * math.prod(node.op.weight.shape[1:])
            flops += macs
            additions += macs * rates.get(network.origin(network.nodes[name].inputs[0]), 0.0)
        else:
            left_additions += events.get(name, {}).get("synaptic_operations", 0)
            left_macs += events.get(name, {}).get("macs", 0)
    return FlopsFormula(
        source=SOURCE,
        flops=flops,
        additions=additions,
        snn_microjoules=MICRO * ADD * additions,
        ann_microjoules=MICRO * MULTIPLY_ADD * flops,
        ann_int8_microjoules=MICRO * MULTIPLY_ADD_INT8 * flops,
        snn_omitted_microjoules=MICRO * ADD * left_additions,
        ann_omitted_microjoules=MICRO * MULTIPLY_ADD * left_macs,
        ann_int8_omitted_microjoules=MICRO * MULTIPLY_ADD_INT8 * left_macs,
    )
