"""Weights of trained networks in integers: closer than each rounded alone, and scales that change no spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from converters.discretise.rounding import moments
from converters.trained import capture, nodes
from converters.trained.rounding import Together
from converters.trained.scales import best_scales, reached, rescaled
from converters.trained.split import split
from processes.network import ConvSynapse
from processes.spiking import Graph, Weighted
from targets.nir_graph.program import Program, interpret
from targets.trained.program import compile_fixed, compile_float
from tests.tolerances import ROUNDING, SECOND_SYNAPSE

SAMPLES, STEPS, BITS = 40, 4, 8


class Transposed(nn.Module):
    """Its layer's outputs go to the neurons in another order, as those of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(5, 7), nodes.LIFNode(v_threshold=0.4, v_reset=-0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif(self.fc(x.transpose(1, 2)).transpose(1, 2)).mean(2)


@pytest.fixture(scope="module")
def network() -> tuple[Graph, np.ndarray]:
    """Layers that reach neurons through pools and moves, and one that is the output; frames."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1, groups=2), nodes.LIFNode(v_threshold=0.6), nn.Conv2d(6, 8, 3, padding=1),
        nn.MaxPool2d(3, 2, 1), nodes.IFNode(v_reset=None), nn.Flatten(2), nn.Conv1d(8, 5, 1), nodes.LIFNode(v_threshold=0.3),
        Transposed(), nn.Linear(7, 3),
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            module.weight.data *= 3
    graph = capture(model.eval(), (2, 9, 9), "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 1, (SAMPLES, STEPS, *graph.nodes[graph.input].shape))
    return graph, x


def watched(graph: Graph, x: np.ndarray) -> tuple[Together, dict[str, float]]:
    together = Together(graph)
    return together, interpret(compile_float(graph), {graph.input: x}, seen=together.see).peaks


def test_moments_are_those_of_what_arrives(network: tuple[Graph, np.ndarray]) -> None:
    """The converters' own of the same values, step by step; a synapse of theirs is what they are taken from."""
    graph, x = network
    name = next(iter(graph.readers()[graph.input]))
    op = graph.nodes[name].op
    assert isinstance(op, Weighted) and op.groups == 2
    theirs = ConvSynapse(
        shape=graph.nodes[name].shape, weight=op.weight, bias=np.zeros(6), trace=np.ones(1), stride=op.stride,
        padding=op.padding, dilation=op.dilation, groups=op.groups,
    )  # fmt: skip
    seen = watched(graph, x)[0].moments[name]
    wanted = [moments(theirs, torch.from_numpy(x[:, t].reshape(SAMPLES, 1, 2, 9, 9))) for t in range(STEPS)]
    for field in ("first", "second"):
        np.testing.assert_allclose(getattr(seen, field), sum(getattr(m, field) for m in wanted), rtol=1e4 * ROUNDING)
    turned = moments(theirs, torch.from_numpy(x[:, 0].reshape(SAMPLES, 1, 2, 9, 9).swapaxes(3, 4).copy()))
    assert not np.allclose(turned.second, wanted[0].second)  # as a column of taps in another order would be


def test_scales_change_no_spike(network: tuple[Graph, np.ndarray]) -> None:
    graph, x = network
    scales = best_scales(graph, watched(graph, x)[0].moments, BITS)
    layers = [name for name, node in graph.nodes.items() if isinstance(node.op, Weighted)]
    assert set(scales) == set(layers) - {graph.output} and len(scales) == 4
    assert all(((scale >= 1) & (scale < 2)).all() and len(set(scale)) > 1 for scale in scales.values())
    scaled, factors = rescaled(graph, scales)
    runs = [interpret(compile_float(g), {graph.input: x}, potentials=True) for g in (graph, scaled)]
    for name, spikes in runs[0].spikes.items():
        assert spikes.any() and np.array_equal(spikes, runs[1].spikes[name]), name
        wanted, found = (run.potentials[name] for run in runs)
        np.testing.assert_allclose(found / factors[name], wanted, rtol=1e4 * ROUNDING, atol=1e4 * ROUNDING)
    name = next(iter(factors))  # thresholds that stay would be seen
    behind = graph.nodes[name]
    broken = replace(scaled, nodes=scaled.nodes | {name: behind})
    assert not np.array_equal(interpret(compile_float(broken), {graph.input: x}).spikes[name], runs[0].spikes[name])


def test_what_others_read_has_no_scales() -> None:
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.first, self.b, self.second = nn.Linear(4, 4), nodes.LIFNode(), nn.Linear(4, 4), nodes.LIFNode()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            v = self.a(x)
            return self.second(v + self.b(self.first(v)))

    graph = capture(Shortcut().eval(), (4,), "step", 2)
    assert [reached(graph, name) for name in ("a", "b")] == [None, None]


def test_integers_are_closer_than_those_to_nearest(network: tuple[Graph, np.ndarray]) -> None:
    """Scales and rounding together each keep more spikes, and a second synapse that holds the rest nearly all of them."""
    graph, x = network
    together, peaks = watched(graph, x)
    scaled, _ = rescaled(graph, best_scales(graph, together.moments, BITS))
    scaled_peaks = watched(scaled, x)[1]

    def changed(program: Program) -> float:
        fixed, real = interpret(program, {graph.input: x}), interpret(compile_float(graph), {graph.input: x})
        return float(np.mean([(fixed.spikes[name] != spikes).mean() for name, spikes in real.spikes.items()]))

    nearest, rounded = compile_fixed(graph, peaks, x), compile_fixed(graph, peaks, x, together.rounded)
    both = compile_fixed(scaled, scaled_peaks, x, together.rounded)
    found = [changed(program) for program in (nearest, rounded, both)]
    assert found[2] < found[1] < found[0]
    halves = split(scaled, BITS)
    assert sum(isinstance(node.op, Weighted) for node in halves.nodes.values()) == 2 * 5
    twice, halves_peaks = watched(halves, x)
    assert changed(compile_fixed(halves, halves_peaks, x, twice.rounded)) < SECOND_SYNAPSE * found[2]
    for program in (nearest, rounded, both):
        for name, node in graph.nodes.items():
            if isinstance(node.op, Weighted):
                mantissa = program.stages[name].node.mantissa  # type: ignore[attr-defined]
                assert np.abs(mantissa).max() <= 127
