"""Trained spiking networks as standard NIR: the same spikes from the runner of standard graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

from converters.trained import capture, nodes
from processes.errors import UnsupportedGraph
from processes.spiking import Graph
from targets.nir_graph.program import interpret
from targets.nir_run import Discretisation, run_graph
from targets.trained.nir import DT, standard, write_standard
from targets.trained.program import compile_float
from tests.tolerances import ROUNDING

STEPS, SAMPLES = 10, 5


def network(neuron: nn.Module, last: nn.Module, conv: bool) -> nn.Module:
    torch.manual_seed(0)
    front = (
        [nn.Conv2d(2, 4, 3, padding=1), neuron, nn.AvgPool2d(2), nn.Flatten()] if conv else [nn.Linear(6, 16), neuron]
    )
    model = nn.Sequential(*front, nn.Linear(16, 5), last)
    model[0].weight.data *= 3
    model[-2].weight.data *= 6
    model[-2].bias.data += 0.8
    return model.eval()


def both(graph: Graph, file: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Our spikes, and those of the file in the runner of standard graphs."""
    x = np.random.default_rng(0).uniform(0, 2, (SAMPLES, STEPS, *graph.frame))
    ours = interpret(compile_float(graph), {graph.input: x.reshape(SAMPLES, STEPS, *graph.nodes[graph.input].shape)})
    write_standard(graph, file)
    read = nir.read(file, type_check=False)
    how = Discretisation(DT, "euler", str(read.metadata["reset"]), "float")  # type: ignore[arg-type]
    theirs = run_graph(read, {graph.input: x}, how)
    a = {name.replace(".", "_"): s.reshape(SAMPLES, STEPS, -1) for name, s in ours.spikes.items()}
    return a, {name: s.reshape(SAMPLES, STEPS, -1) for name, s in theirs.traces.spikes.items()}


def neuron_pairs() -> dict[str, Any]:
    snn = pytest.importorskip("snntorch")
    return {
        "lif": lambda: nodes.LIFNode(tau=2.0),
        "lif v_reset": lambda: nodes.LIFNode(tau=3.0, decay_input=False, v_threshold=1.3),
        "if subtract": lambda: nodes.IFNode(v_reset=None),
        "leaky": lambda: snn.Leaky(0.9, init_hidden=True),
        "leaky zero": lambda: snn.Leaky(0.8, init_hidden=True, reset_mechanism="zero"),
        "synaptic": lambda: snn.Synaptic(0.6, 0.8, init_hidden=True),
    }


KINDS = ["lif", "lif v_reset", "if subtract", "leaky", "leaky zero", "synaptic"]


CONVOLVED = [
    pytest.param(kind, True, marks=[pytest.mark.exhaustive] * (kind not in ("lif", "synaptic"))) for kind in KINDS
]


@pytest.mark.parametrize(("kind", "conv"), [*((kind, False) for kind in KINDS), *CONVOLVED])
def test_the_file_fires_the_same_spikes(kind: str, conv: bool, tmp_path: Path) -> None:
    build = neuron_pairs()[kind]
    shape = (2, 4, 4) if conv else (6,)
    graph = capture(network(build(), build(), conv), shape, "step", STEPS)
    ours, theirs = both(graph, tmp_path / "net.nir")
    assert ours.keys() == theirs.keys() and len(ours) == 2
    for name, spikes in ours.items():
        assert 0.01 < spikes.mean() < 0.99 and np.array_equal(spikes, theirs[name]), name


def test_a_delayed_reset_taken_at_once_is_seen(tmp_path: Path) -> None:
    """v_reset of NIR is threshold - threshold / decay there; without it spikes differ."""
    build = neuron_pairs()["leaky"]
    graph = capture(network(build(), build(), False), (6,), "step", STEPS)
    ours, _ = both(graph, tmp_path / "net.nir")
    written = standard(graph)
    node: Any = written.nodes["1"]
    assert np.allclose(node.v_reset, 1 - 1 / 0.9, rtol=1e-6)
    node.v_reset = np.zeros_like(node.v_reset)
    x = np.random.default_rng(0).uniform(0, 2, (SAMPLES, STEPS, 6))
    wrong = run_graph(written, {graph.input: x}, Discretisation(DT, "euler", "subtract", "float"))
    assert not np.array_equal(wrong.traces.spikes["1"].reshape(ours["1"].shape), ours["1"])


def test_what_has_no_standard_form_is_listed() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nodes.LIFNode(v_reset=-0.5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2),
        nodes.IFNode(v_reset=None),
    )  # fmt: skip
    graph = capture(model.eval(), (1, 4, 4), "step", STEPS)
    with pytest.raises(UnsupportedGraph) as error:
        standard(graph)
    assert [r.node for r in error.value.refusals] == ["1", "2"]
    assert "another potential than 0" in error.value.refusals[0].reason


def test_outputs_are_equal(tmp_path: Path) -> None:
    """A network whose output is a layer, not neurons."""
    torch.manual_seed(1)
    graph = capture(nn.Sequential(nn.Linear(6, 8), nodes.LIFNode(), nn.Linear(8, 3)).eval(), (6,), "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 3, (SAMPLES, STEPS, 6))
    ours = interpret(compile_float(graph), {graph.input: x[:, :, None]}).outputs[graph.output]
    run = run_graph(standard(graph), {graph.input: x}, Discretisation(DT, "euler", "v_reset", "float"))
    np.testing.assert_allclose(run.traces.outputs["output"], ours[:, :, 0], ROUNDING, ROUNDING)


def test_a_layer_that_feeds_itself(tmp_path: Path) -> None:
    """Its spikes arrive a step later, as in a cycle of NIR."""
    snn = pytest.importorskip("snntorch")
    model = network(snn.RLeaky(0.8, linear_features=16, init_hidden=True), nodes.LIFNode(v_reset=None), False)
    model[1].recurrent.weight.data *= 3
    ours, theirs = both(capture(model, (6,), "step", STEPS), tmp_path / "net.nir")
    for name, spikes in ours.items():
        assert 0.01 < spikes.mean() < 0.99 and np.array_equal(spikes, theirs[name]), name


@pytest.mark.parametrize(("simulator", "dt"), [("snntorch", 1e-4), ("norse", 1e-3)])
def test_other_simulators_fire_the_same_spikes(simulator: str, dt: float) -> None:
    """A network trained with SpikingJelly's neurons in snnTorch and in Norse, each with the time step that it takes."""
    pytest.importorskip(simulator)
    from targets.simulators import simulate

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 64), nodes.LIFNode(), nn.Linear(64, 5), nodes.LIFNode(v_threshold=0.7)).eval()
    model[0].weight.data *= 3
    model[2].weight.data *= 4
    graph = capture(model, (6,), "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 2, (SAMPLES, STEPS, 6))
    ours = interpret(compile_float(graph), {graph.input: x[:, :, None]})
    _, theirs = simulate(simulator, standard(graph, dt), x)
    assert len(theirs) == len(ours.spikes) == 2
    for name, spikes in ours.spikes.items():
        assert 0.01 < spikes.mean() < 0.99
        assert np.array_equal(spikes.reshape(SAMPLES, STEPS, -1), theirs[name].reshape(SAMPLES, STEPS, -1) > 0), name
    _, others = simulate(simulator, standard(graph, dt * 1.5), x)  # another step is another network
    assert not np.array_equal(others["1"], theirs["1"])
