"""The FLOPs formula on a network counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from deploy.measure.flops import flops_formula
from deploy.schema import Layer
from processes.network import ConvSynapse, DenseSynapse, Network, PhaseNeuron, Readout
from processes.phase_neuron.schedule import FloatSchedule


def test_flops_times_firing_rate() -> None:
    def neurons(shape: tuple[int, ...]) -> PhaseNeuron:
        ones = np.ones((1,) * len(shape))
        return PhaseNeuron(
            shape=shape, schedule=FloatSchedule(function="identity", scale=ones, unit=ones, base=2.0, steps=3)
        )

    trace, network = np.ones(3), Network((1, 2, 4, 4))
    network.add("code", neurons((1, 2, 4, 4)), Network.INPUT)
    conv = ConvSynapse(shape=(1, 3, 2, 2), weight=np.ones((3, 2, 3, 3)), bias=np.zeros(3), trace=trace)
    network.add("conv", conv, "code")
    network.add("hidden", neurons((1, 3, 2, 2)), "conv")
    dense = DenseSynapse(shape=(1, 3, 2, 5), weight=np.ones((5, 2)), bias=np.zeros(5), trace=trace)
    network.add("dense", dense, "hidden")
    network.add("readout", Readout(shape=dense.shape, unit=np.ones((1, 1, 1, 1))), "dense")
    layers = [
        Layer(name="code", op="phase_neuron", shape=(1,), start=0, stop=1, spikes_per_neuron=0.5),
        Layer(name="conv", op="conv2d", shape=(1,), start=0, stop=1),
        Layer(name="hidden", op="phase_neuron", shape=(1,), start=0, stop=1, spikes_per_neuron=2.0),
    ]
    found = flops_formula(network, layers)
    convolution, linear = 12 * 18, 6 * 5 * 2
    assert found.flops == convolution + linear
    assert found.additions == 0.5 * convolution + 2 * linear
    assert found.snn_microjoules == pytest.approx(0.9e-6 * found.additions)
    assert found.ann_microjoules == pytest.approx(4.6e-6 * found.flops)
