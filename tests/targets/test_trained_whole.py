"""Trained networks whole as NIR: restored to the last bit, run by `deploy run`, their segments by other simulators."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from converters.trained import capture, nodes
from deploy.cli import main
from deploy.demo import FOLDER as DEMO
from deploy.demo import IMAGES, to_pixels
from deploy.trained.network import TrainedNetwork
from evaluator.nir_reader import read_graph
from processes.errors import DeployError, UnsupportedGraph
from processes.spiking import Graph, Neuron
from targets.nir_graph.program import Traces, interpret
from targets.simulators import simulate
from targets.simulators.worker import UNCHECKED
from targets.tools import TOOLS
from targets.trained.nir import DT, standard
from targets.trained.program import compile_float
from targets.trained.segments import cut, dialect, run, simulated_by
from targets.trained.sinabs import for_sinabs
from targets.trained.whole import restore, whole, write_whole

EXAMPLES = Path(__file__).parents[2] / "examples" / "spiking"
STEPS = 2


@pytest.fixture(scope="module")
def spikformer() -> tuple[Graph, np.ndarray, Traces]:
    """The trained one, two images, and its run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        model = importlib.import_module("spikformer").small(STEPS)
    model.load_state_dict(load_file(EXAMPLES / "spikformer.safetensors"))
    graph = capture(model, (1, 28, 28), "static", STEPS)
    with np.load(DEMO / IMAGES) as file:
        images = to_pixels(file["evaluation_images"][:2]).astype(np.float64)
    x = np.repeat(images[:, None], STEPS, 1).reshape(2, STEPS, *graph.nodes[graph.input].shape)
    return graph, x, interpret(compile_float(graph), {graph.input: x})


def test_a_spikformer_is_restored_to_the_last_bit(spikformer: tuple[Graph, np.ndarray, Traces], tmp_path: Path) -> None:
    graph, x, ours = spikformer
    write_whole(graph, tmp_path / "whole.nir", STEPS, "mean")
    read = read_graph(tmp_path / "whole.nir")
    kinds = [type(node).__name__ for node in read.nodes.values()]
    assert kinds.count("Conv2d") == 5 and kinds.count("Affine") == 13 and kinds.count("LIF") == 19
    assert nir.read(tmp_path / "whole.nir", **UNCHECKED).edges == read.edges  # any reader of NIR reads it
    restored, frames, readout = restore(read)
    assert (frames, readout) == (STEPS, "mean")
    theirs = interpret(compile_float(restored), {graph.input: x})
    assert all(np.array_equal(ours.spikes[name], theirs.spikes[name]) for name in graph.nodes if name in ours.spikes)
    assert np.array_equal(ours.outputs[graph.output], theirs.outputs[graph.output])
    weights: Any = next(node for node in read.nodes.values() if isinstance(node, nir.Conv2d))
    weights.weight[0] += 0.5  # the layer's own array is what runs
    changed = interpret(compile_float(restore(read)[0]), {graph.input: x})
    assert any(not np.array_equal(ours.spikes[name], changed.spikes[name]) for name in ours.spikes)


def test_deploy_run(
    spikformer: tuple[Graph, np.ndarray, Traces], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph, x, ours = spikformer
    file, data, out = tmp_path / "whole.nir", tmp_path / "data.npz", tmp_path / "out.npz"
    write_whole(graph, file, STEPS, "mean")
    np.savez(data, x=x[:, 0].reshape(2, 1, 28, 28), y=np.zeros(2, np.int64))
    assert main(["run", str(file), "--input", str(data), "--output", str(out)]) == 0
    expected = ours.outputs[graph.output].mean(1).reshape(2, -1)
    with np.load(out) as saved:
        assert np.array_equal(saved["output"], expected.astype(np.float32)) and np.ptp(expected) > 1
    assert main(["check", str(file)]) == 0
    assert "a trained spiking network, whole" in capsys.readouterr().out
    assert main(["run", str(file), "--input", str(data), "--dt", "1e-3"]) == 2
    assert "--dt: the file holds a trained network" in capsys.readouterr().err
    assert main(["run", str(file), "--input", str(data), "--target", "closed-form"]) == 2
    assert "runs on stepper or lava-sim" in capsys.readouterr().err
    fixed = ["--precision", "fixed", "--segments-in", "snntorch"]
    assert main(["run", str(file), "--input", str(data), *fixed]) == 2
    assert "simulators step in floating point" in capsys.readouterr().err


def test_deploy_run_in_integers_and_on_lava(tmp_path: Path) -> None:
    """As the folder of `deploy trained` runs, calibrated on the same data."""
    pytest.importorskip("lava.magma")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nodes.LIFNode(v_threshold=0.7), nn.Linear(32, 5)).eval()
    model[0].weight.data *= 2
    graph = capture(model, (6,), "step", 8)
    shape = graph.nodes[graph.input].shape
    x, other = np.random.default_rng(0).uniform(0, 2, (2, 5, 8, 6)).astype(np.float32)
    write_whole(graph, tmp_path / "whole.nir", 8, "mean")
    np.savez(tmp_path / "data.npz", x=x)
    np.savez(tmp_path / "calib.npz", x=4 * other)

    def ran(*options: str) -> list[float]:
        command = ["run", f"{tmp_path}/whole.nir", "--input", f"{tmp_path}/data.npz", "--samples", "5"]
        assert main([*command, "--output", f"{tmp_path}/out.npz", *options]) == 0
        with np.load(tmp_path / "out.npz") as saved:
            return saved["output"].tolist()

    def folder(calib: np.ndarray) -> list[float]:
        frames, data = (a.reshape(5, 8, *shape).astype(np.float64) for a in (calib, x))
        program = TrainedNetwork.calibrated(graph, frames).program()
        outputs = interpret(program, {graph.input: data}).outputs[graph.output]
        return outputs.mean(1).reshape(5, -1).astype(np.float32).tolist()

    fixed = ran("--precision", "fixed")
    assert fixed == folder(x) == ran("--precision", "fixed", "--target", "lava-sim") != ran()
    assert ran() == ran("--target", "lava-sim")
    assert ran("--precision", "fixed", "--calib", f"{tmp_path}/calib.npz") == folder(4 * other) != fixed


def test_damaged_files_are_refused(spikformer: tuple[Graph, np.ndarray, Traces]) -> None:
    graph = whole(spikformer[0], STEPS, "mean")
    graph.metadata["format"] = "spiking network 99"
    with pytest.raises(DeployError, match="this version reads 'spiking network 1'"):
        restore(graph)
    graph = whole(spikformer[0], STEPS, "mean")
    entry = graph.nodes["0000.input"]
    entry.metadata["operation"] = entry.metadata["operation"].replace("28, 28]", "28000, 28000]")
    with pytest.raises(DeployError, match="of which at most 134,217,728 values are read"):
        restore(graph)
    graph = whole(spikformer[0], STEPS, "mean")
    del graph.nodes["0001.patch_embed.proj_conv"]
    with pytest.raises(DeployError, match="the file is damaged"):
        restore(graph)


def segments_agree(spikformer: tuple[Graph, np.ndarray, Traces], simulator: str) -> None:
    graph, x, ours = spikformer
    segments = cut(graph)
    assert len(segments) == 17 and sum(isinstance(node.op, Neuron) for node in graph.nodes.values()) == 19
    values = run(graph, x, segments, simulated_by(simulator))
    for name, spikes in ours.spikes.items():
        assert np.array_equal(values[name] > 0, spikes > 0), name
    assert np.array_equal(values[graph.output], ours.outputs[graph.output])


@pytest.mark.parametrize("simulator", ["snntorch", "norse"])
def test_segments_of_a_spikformer_elsewhere(spikformer: tuple[Graph, np.ndarray, Traces], simulator: str) -> None:
    pytest.importorskip(simulator)
    segments_agree(spikformer, simulator)


needs_sinabs = pytest.mark.skipif(
    TOOLS["sinabs"].interpreter() is None, reason="sinabs is not installed: python -m targets.tools sinabs"
)


@needs_sinabs
@pytest.mark.exhaustive
def test_segments_of_a_spikformer_in_sinabs(spikformer: tuple[Graph, np.ndarray, Traces]) -> None:
    segments_agree(spikformer, "sinabs")


def test_a_simulator_that_fires_otherwise_is_seen(spikformer: tuple[Graph, np.ndarray, Traces]) -> None:
    """One segment's spikes moved by one place change what comes after it."""
    graph, x, ours = spikformer
    first = cut(graph)[:1]

    def moved(segment: Graph, inputs: np.ndarray) -> np.ndarray:
        found = interpret(compile_float(segment), {"input": inputs[:, :, None]}).spikes["neuron"][:, :, 0]
        return np.roll(found, 1, -1)

    values = run(graph, x, first, moved)
    assert not np.array_equal(values[graph.output], ours.outputs[graph.output])


def dense(v_reset: float | None, threshold: float = 1.0) -> tuple[Graph, np.ndarray, Traces]:
    torch.manual_seed(0)
    last = nodes.LIFNode(tau=1.5, v_reset=v_reset, v_threshold=threshold)
    model = nn.Sequential(nn.Linear(6, 32), nodes.LIFNode(v_reset=v_reset), nn.Linear(32, 5), last).eval()
    model[0].weight.data *= 2
    model[2].weight.data *= 3
    graph = capture(model, (6,), "step", 8)
    x = np.random.default_rng(0).uniform(0, 2, (5, 8, 6))
    return graph, x, interpret(compile_float(graph), {graph.input: x.reshape(5, 8, *graph.nodes[graph.input].shape)})


@pytest.mark.parametrize("v_reset", [0.0, None])
def test_the_dialect_of_sinabs_has_the_same_spikes(v_reset: float | None) -> None:
    """By its equations, v <- exp(-1 / tau) v + x, which are NIR's exact step with r scaled."""
    graph, x, ours = dense(v_reset)
    made = for_sinabs(standard(graph, DT))
    for i, spikes in enumerate(ours.spikes.values()):
        layer, neuron = (made.nodes[str(2 * i + k)] for k in (0, 1))
        reads = x if i == 0 else next(iter(ours.spikes.values())).reshape(5, 8, -1).astype(float)
        v, found = np.zeros((5, len(layer.bias))), []
        for t in range(8):
            v = np.exp(-1 / neuron.tau) * v + reads[:, t] @ layer.weight.T + layer.bias
            fired = v > neuron.v_threshold
            found.append(fired)
            v = np.where(fired, 0, v) if v_reset is not None else v - fired * neuron.v_threshold
        assert 0.01 < np.mean(found) < 0.99
        assert np.array_equal(np.stack(found, 1), spikes.reshape(5, 8, -1) > 0)


def test_what_sinabs_has_no_form_of_is_named() -> None:
    graph = capture(nn.Sequential(nn.Linear(4, 3), nodes.LIFNode(v_reset=0.0)).eval(), (4,), "step", 4)
    written = standard(graph, DT)
    neuron: Any = written.nodes["1"]
    neuron.v_reset = np.full(3, 0.25)
    with pytest.raises(UnsupportedGraph) as refused:
        for_sinabs(written)
    assert "another value than 0" in refused.value.refusals[0].reason
    with pytest.raises(DeployError, match="segments of trained networks run in sinabs"):
        dialect(graph, "brian2")


@needs_sinabs
def test_a_trained_network_in_sinabs() -> None:
    graph, x, ours = dense(0.0, 0.7)
    _, theirs = simulate("sinabs", dialect(graph, "sinabs"), x)
    for name, spikes in ours.spikes.items():
        assert 0.01 < spikes.mean() < 0.99 and np.array_equal(spikes.reshape(5, 8, -1), theirs[name] > 0), name
    other = dialect(graph, "sinabs")
    other.nodes["1"].tau = 2 * other.nodes["1"].tau  # type: ignore[attr-defined]
    assert not np.array_equal(simulate("sinabs", other, x)[1]["1"], theirs["1"])
