"""Trained spiking modules beside their own framework: settled, run in float64, and held to every spike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from converters.trained import Form, capture, nodes
from converters.trained.leaves import neurons
from converters.trained.reference import readout, run_original
from processes.spiking import Graph
from targets.nir_graph.program import Traces, interpret
from targets.trained.program import compile_float
from tests.tolerances import ROUNDING

FEATURES, FRAMES, SAMPLES = 6, 12, 100


class Two(nn.Module):
    """A layer, neurons under test, and a layer of neurons that reads them; a frame at a time."""

    def __init__(self, neuron: Callable[[], nn.Module]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.under_test = nn.Linear(FEATURES, 8), neuron()
        self.second, self.last = nn.Linear(8, 5), nodes.LIFNode(tau=1.5)
        self.first.weight.data *= 2
        self.second.weight.data *= 6
        self.second.bias.data += 0.5

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.under_test(self.first(x))
        return self.last(self.second(spikes.to(x.dtype)))


class Beside(nn.Module):
    """Models side by side, traced and run as one."""

    def __init__(self, models: dict[str, nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([model(x) for model in self.models.values()], -1)


def settled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with statistics in its batch norms, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.2, 1.0, generator=generator)
            module.weight.data.uniform_(0.5, 2.0, generator=generator)
            module.bias.data.normal_(0, 0.3, generator=generator)
    return model.eval()


def frames(shape: tuple[int, ...], form: Form, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).uniform(0, 2, (SAMPLES, FRAMES, *shape))
    if form == "static":
        x[:] = x[:, :1]
    return x


def both(model: nn.Module, shape: tuple[int, ...], form: Form) -> tuple[Graph, Traces, Any]:
    """The graph, our run and the model's own, in float64."""
    model = settled(model)
    graph = capture(model, shape, form, FRAMES)
    x = frames(shape, form)
    theirs = run_original(model, x, form, graph, neurons(model), torch.float64)
    ours = interpret(compile_float(graph), {graph.input: x.reshape(SAMPLES, FRAMES, *graph.nodes[graph.input].shape)})
    return graph, ours, theirs


def equal(model: nn.Module, shape: tuple[int, ...], form: Form, how: str) -> Graph:
    """Every spike is equal, some but not all fire, and the outputs are the model's own."""
    graph, ours, theirs = both(model, shape, form)
    assert ours.spikes.keys() == theirs.spikes.keys()
    for name, spikes in theirs.spikes.items():
        assert np.array_equal(ours.spikes[name], spikes), name
        assert 0.002 < spikes.mean() < 0.998, name
    assert readout(ours.outputs[graph.output], theirs.output, ROUNDING * 1e3, form) == how
    return graph
