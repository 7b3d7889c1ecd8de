"""A folder of `deploy trained`, loaded again: frames that come one by one lead to what a whole run leads to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import deploy
from converters.trained import capture, nodes
from deploy.errors import DeployError
from deploy.trained.network import FILE, Precision, TrainedNetwork, read_network
from deploy.trained.report import REPORT
from targets.nir_graph.program import interpret
from tests.tolerances import INT8_POTENTIAL

SAMPLES, STEPS, SHAPE = 3, 5, (1, 6, 6)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A folder, and frames (samples, T, *shape)."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nodes.LIFNode(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 8), nodes.IFNode(),
        nn.Linear(8, 4), nodes.LIFNode(v_threshold=0.3, v_reset=None), nn.Linear(4, 2),
    )  # fmt: skip
    for module in model:
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data *= 4
    graph = capture(model.eval(), SHAPE, "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 1, (SAMPLES, STEPS, *SHAPE))
    calib = x.reshape(SAMPLES, STEPS, *graph.nodes[graph.input].shape)
    TrainedNetwork.calibrated(graph, calib, synapses=2).write(tmp_path)
    (tmp_path / REPORT).write_text("{}")
    return tmp_path, x


@pytest.mark.parametrize("precision", ["fixed", "float"])
def test_frame_by_frame_is_the_whole_run(made: tuple[Path, np.ndarray], precision: Precision) -> None:
    folder, x = made
    network = deploy.load(folder)
    assert isinstance(network, TrainedNetwork)
    program, graph = network.program(precision), network.graph
    whole = interpret(
        program, {graph.input: x.reshape(SAMPLES, STEPS, *graph.nodes[graph.input].shape)}, potentials=True
    )
    units = network.potential_units(program)
    assert any(trace.any() for trace in whole.spikes.values())
    streams = [network.stream(iter(frames), precision) for frames in x]  # side by side, each with its own states
    for t in range(STEPS):
        for sample, stream in enumerate(streams):
            frame = next(stream)
            assert frame.number == t and frame.output.tolist() == whole.outputs[graph.output][sample, t].tolist()
            assert frame.spikes.keys() == whole.spikes.keys() and frame.potentials.keys() == whole.potentials.keys()
            for name, trace in whole.spikes.items():
                assert np.array_equal(frame.spikes[name], trace[sample, t]), name
            for name, trace in whole.potentials.items():
                assert np.array_equal(frame.potentials[name], trace[sample, t] * units[name]), name
    assert all(next(stream, None) is None for stream in streams)


def test_states_are_kept_from_frame_to_frame(made: tuple[Path, np.ndarray]) -> None:
    """What the test above would see: a network that starts anew at each frame fires otherwise."""
    network = read_network(made[0])
    kept = list(network.stream(made[1][0]))
    anew = [next(network.stream([frame])) for frame in made[1][0]]
    assert any((a.spikes[name] != b.spikes[name]).any() for a, b in zip(kept, anew, strict=True) for name in a.spikes)


def test_potentials_are_in_the_models_units(made: tuple[Path, np.ndarray]) -> None:
    network = read_network(made[0])
    assert any((scale != 1).any() for scale in network.scales.values())
    fixed, real = next(network.stream(made[1][0])), next(network.stream(made[1][0], "float"))
    assert np.array_equal(fixed.spikes["1"], real.spikes["1"])
    assert np.allclose(fixed.potentials["1"], real.potentials["1"], rtol=0, atol=INT8_POTENTIAL)
    assert not np.allclose(fixed.potentials["1"] * 1.5, real.potentials["1"], rtol=0, atol=INT8_POTENTIAL)


def test_what_is_no_frame(made: tuple[Path, np.ndarray]) -> None:
    network = read_network(made[0])
    grey = np.full(SHAPE, 51, np.uint8)
    assert next(network.stream([grey])).output.tolist() == next(network.stream([grey / 255])).output.tolist()
    stream = network.stream([grey, np.zeros((6, 6))])
    next(stream)
    with pytest.raises(DeployError, match=r"frame 1 is float64 \(6, 6\); the network takes numbers \(1, 6, 6\)"):
        next(stream)
    with pytest.raises(DeployError, match="frame 0 holds NaN"):
        next(network.stream([np.full(SHAPE, np.nan)]))
    with pytest.raises(DeployError, match="'fast': give fixed or float"):
        network.stream([], "fast")  # type: ignore[arg-type]


def test_a_file_that_is_none(made: tuple[Path, np.ndarray]) -> None:
    folder = made[0]
    file = folder / FILE
    with np.load(file) as arrays:
        content = dict(arrays)
    for name in content:
        np.savez(file, **{other: array for other, array in content.items() if other != name})
        with pytest.raises(DeployError, match="damaged, or of another version"):
            read_network(folder)
    broken = content | {
        "network": np.frombuffer(content["network"].tobytes().replace(b"Weighted", b"Executed"), np.uint8)
    }
    np.savez(file, **broken)
    with pytest.raises(DeployError, match=r"'Executed' with .* is no part of a spiking network"):
        read_network(folder)
    file.unlink()
    with pytest.raises(DeployError, match="run deploy trained again"):
        deploy.load(folder)
