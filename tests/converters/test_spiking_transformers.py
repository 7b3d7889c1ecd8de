"""The published spiking transformers: captured whole, spike for spike, and in integers on Lava without a difference."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.trained import capture
from converters.trained.leaves import neurons
from converters.trained.reference import readout, run_original
from processes.spiking import Graph, Neuron, Product
from targets.nir_graph.program import Traces, interpret
from targets.trained.program import compile_fixed, compile_float
from tests.tolerances import INT8_SPIKES, ROUNDING

FOLDER = Path(__file__).parents[2] / "examples" / "spiking"
STEPS = 2


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def example(name: str) -> nn.Module:
    """A small one, with weights at which most of its neurons fire."""
    torch.manual_seed(0)
    model = importlib.import_module(name).small(STEPS)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.05, 0.2, generator=generator)
            module.bias.data.uniform_(0.2, 1.0, generator=generator)
    return model.eval()


NAMES = ("spikformer", "spikingformer", "sdt", "sdt2", "qkformer")
SAMPLES = 3


def captured(name: str) -> tuple[Graph, np.ndarray, Traces, Any]:
    """The graph, images as frames, our run in floating point and the model's own."""
    model = example(name)
    graph = capture(model, (1, 16, 16), "static", STEPS)
    images = np.random.default_rng(0).uniform(0, 1, (SAMPLES, 1, 1, 16, 16))
    x = np.broadcast_to(images, (SAMPLES, STEPS, 1, 16, 16)).copy()
    theirs = run_original(model, x, "static", graph, neurons(model), torch.float64)
    x = x.reshape(SAMPLES, STEPS, *graph.nodes[graph.input].shape)
    return graph, x, interpret(compile_float(graph), {graph.input: x}), theirs


@pytest.mark.parametrize("name", NAMES)
def test_captured_whole(name: str) -> None:
    graph, x, ours, theirs = captured(name)
    assert ours.spikes.keys() == theirs.spikes.keys()
    rates = {neuron: float(spikes.mean()) for neuron, spikes in theirs.spikes.items()}
    assert sum(0.01 < rate < 0.99 for rate in rates.values()) > 0.8 * len(rates), rates
    for neuron, spikes in theirs.spikes.items():
        assert np.array_equal(ours.spikes[neuron], spikes), neuron
    assert readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3) == "mean"
    fixed = interpret(compile_fixed(graph, ours.peaks, x), {graph.input: x})
    assert not fixed.overflows
    apart = np.mean([(fixed.spikes[neuron] != spikes).mean() for neuron, spikes in ours.spikes.items()])
    assert 0 < apart < INT8_SPIKES, apart
    assert any(isinstance(node.op, Product) for node in graph.nodes.values())
    assert sum(isinstance(node.op, Neuron) for node in graph.nodes.values()) == len(theirs.spikes)
