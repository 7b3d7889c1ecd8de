"""`deploy trained` and `deploy energy` of its folder; its counts next to loops, its formula by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.trained import capture, nodes
from deploy.cli import main
from deploy.trained.count import Counting, tallied
from deploy.trained.energy import priced, published
from deploy.trained.report import read_trained
from processes.spiking import Affine
from targets.nir_graph.program import interpret
from targets.trained.program import compile_float

STEPS, SAMPLES = 4, 6

MODEL = """
import torch
from torch import nn
from converters.trained.nodes import MultiStepLIFNode


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.T = 4
        self.conv, self.bn, self.lif = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), MultiStepLIFNode()
        self.pool, self.fc, self.out = nn.MaxPool2d(2), nn.Linear(36, 5), MultiStepLIFNode(v_threshold=0.5)
        self.conv.weight.data *= 4
        self.fc.weight.data *= 3

    def forward(self, x):
        x = x.unsqueeze(0).repeat(self.T, 1, 1, 1, 1)
        x = self.lif(self.bn(self.conv(x.flatten(0, 1))).unflatten(0, (self.T, -1)))
        return self.out(self.fc(self.pool(x.flatten(0, 1)).flatten(1)).unflatten(0, (self.T, -1))).mean(0)


def build():
    return Net()


class Frames(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.fc, self.lif = nn.Linear(3, 4), MultiStepLIFNode(v_threshold=0.4)
        self.fc.weight.data *= 4

    def forward(self, x):
        return self.lif(self.fc(x))


def strange():
    return nn.Sequential(nn.Linear(6, 6), nn.GELU(), MultiStepLIFNode(), nn.Softmax(-1))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz", x=rng.uniform(0, 1, (SAMPLES, 1, 6, 6)).astype(np.float32), y=np.arange(SAMPLES) % 5
    )
    return tmp_path


def run(place: Path, *more: str) -> int:
    base = ["trained", "--model", f"{place}/net.py:build", "--data", f"{place}/data.npz", "-o", f"{place}/out"]
    return main([*base, *more])


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lava.magma")
    assert run(place, "--lava-samples", "1") == 0
    shown = capsys.readouterr().out
    assert "the model's own in float64" in shown and "What the formula leaves out" in shown
    report = read_trained(place / "out")
    assert report.differing_from_original == 0 < report.compared_spikes
    assert report.readout == "mean" and report.floating.agreement == 1.0
    assert report.lava is not None and report.lava.differing == 0 < report.lava.compared
    assert report.standard_nir.startswith("none: ") and "pool: NIR has no MaxPool" in report.standard_nir
    assert 0 < report.floating.spikes < report.neurons * STEPS
    assert run(place) == 2 and "--force replaces it" in capsys.readouterr().err
    assert main(["energy", f"{place}/out", "--layers"]) == 0
    shown = capsys.readouterr().out
    assert "published formula" in shown and "lif" in shown
    assert main(["energy", f"{place}/out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["formula"]["first_macs"] == 4 * 36 * 9


def test_what_a_user_can_put_right(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "--frames", "7", "--lava-samples", "0") == 2
    assert "--form static: no module keeps the number of steps (7)" in capsys.readouterr().err
    assert main(["trained", "--model", f"{place}/net.py:strange", "--data", f"{place}/data.npz", "--form", "step"]) == 2
    error = capsys.readouterr().err
    assert "1 (GELU)" in error
    assert main(["trained", "--model", "demo", "--data", f"{place}/data.npz"]) == 2
    assert "named as path/file.py:callable" in capsys.readouterr().err
    assert run(place, "--form", "frames") == 2
    capsys.readouterr()
    np.savez(place / "frames.npz", x=np.random.default_rng(0).uniform(0, 1, (9, 5, 3)))
    wrong = ["--form", "batch", "--frames", "5", "--lava-samples", "0"]
    assert main(["trained", "--model", f"{place}/net.py:Frames", "--data", f"{place}/frames.npz", *wrong]) == 2
    assert "--form batch has to be what its forward takes" in " ".join(capsys.readouterr().err.split())


def test_frames(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames (samples, T, ...) of bytes, for a forward that takes all of them; its file runs as any standard graph."""
    x = np.random.default_rng(0).integers(0, 256, (SAMPLES, 5, 3), dtype=np.uint8)
    np.savez(place / "frames.npz", x=x)
    options = ["--form", "sequence", "--frames", "5", "--lava-samples", "0", "-o", f"{place}/out"]
    assert main(["trained", "--model", f"{place}/net.py:Frames", "--data", f"{place}/frames.npz", *options]) == 0
    report = read_trained(place / "out")
    assert report.original_accuracy is None and report.readout == "each" and report.standard_nir == "graph.nir"
    np.savez(place / "scaled.npz", x=x / 255)
    capsys.readouterr()
    saved = place / "ran.npz"
    command = ["run", f"{place}/out/graph.nir", "--input", f"{place}/scaled.npz", "--samples", f"{SAMPLES}"]
    assert main([*command, "--target", "stepper", "--output", str(saved)]) == 0
    with np.load(saved) as file:
        assert file["spikes:lif"].sum() / SAMPLES == report.floating.spikes > 0


def test_counts_are_those_of_loops() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nodes.LIFNode(), nn.Conv2d(3, 2, 3, stride=2), nodes.IFNode(v_threshold=0.5),
        nn.Flatten(), nn.Linear(8, 4), nodes.LIFNode(v_threshold=0.3),
    )  # fmt: skip
    model[0].weight.data *= 4
    model[2].weight.data *= 4
    model[2].weight.data[0, 0, 1, 1] = 0  # a synapse that is not stored
    graph = capture(model.eval(), (1, 6, 6), "step", STEPS)
    x = np.random.default_rng(0).uniform(0, 1, (SAMPLES, STEPS, 1, 1, 6, 6))
    x[0, :, 0, 0, 2, 3] = 0
    counting = Counting(graph, compile_float(graph))
    outputs, fired = counting.run(x)
    traces = interpret(compile_float(graph), {graph.input: x})
    assert np.array_equal(outputs, traces.outputs[graph.output])
    for name, spikes in traces.spikes.items():
        assert np.array_equal(fired[name], spikes.reshape(SAMPLES, STEPS, -1).sum(2))
    events = counting.counts.events

    def reached(there: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> int:
        total = 0
        for image in there.reshape(-1, *there.shape[-3:]):
            padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
            for i in range(0, padded.shape[1] - 2, stride):
                for j in range(0, padded.shape[2] - 2, stride):
                    total += int((padded[:, i : i + 3, j : j + 3] * (weight != 0)).sum())
        return total

    first, second = (model[i].weight.detach().numpy() for i in (0, 2))
    assert events["0"]["macs"] == reached(x != 0, first, 1, 1) and not events["0"]["synaptic_operations"]
    spikes = traces.spikes["1"]
    assert events["2"]["synaptic_operations"] == reached(spikes, second, 2, 0) > 0
    assert events["5"]["synaptic_operations"] == 4 * traces.spikes["3"].sum()
    assert events["1"]["spikes"] == spikes.sum() and events["1"]["neuron_steps"] == spikes.size
    assert events["1"]["silent_compares"] == spikes.size - spikes.sum()
    counts = counting.counts
    formula = published(graph, counts)
    sops = spikes.mean() * STEPS * 2 * 4 * 27 + traces.spikes["3"].mean() * STEPS * 32
    assert formula.first_macs == 3 * 36 * 9
    assert np.isclose(formula.operations, sops, rtol=1e-12)
    assert np.isclose(formula.picojoules, 4.6 * 3 * 36 * 9 + 0.9 * sops, rtol=1e-12)
    done = counts.per_sample()
    additions = next(p for p in priced(counts) if p.name == "45nm-additions")
    assert np.isclose(additions.picojoules, 0.9 * done["synaptic_operations"] + 4.6 * done["macs"], rtol=1e-12)
    assert formula.left_out["neuron_steps"] == done["neuron_steps"]


def test_silence_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(place / "data.npz", x=np.full((SAMPLES, 5, 3), 1e-6, np.float32))
    options = ["--form", "sequence", "--frames", "5", "--lava-samples", "0", "-o", f"{place}/out"]
    (place / "net.py").write_text(MODEL.replace("self.fc.weight.data *= 4", "self.fc.bias.data *= 0"))
    assert main(["trained", "--model", f"{place}/net.py:Frames", "--data", f"{place}/data.npz", *options]) == 0
    assert "1 population never fired" in " ".join(capsys.readouterr().out.split())
    assert read_trained(place / "out").silent == ["lif"]


def test_what_is_scaled_is_no_tally() -> None:
    """An average of spikes is multiplied by weights, a sum of them added up."""

    class Net(nn.Module):
        def __init__(self, scale: float) -> None:
            super().__init__()
            self.scale, self.fc, self.lif, self.head = scale, nn.Linear(3, 4), nodes.LIFNode(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            spikes = self.lif(self.fc(x))
            return self.head((spikes + spikes) * self.scale)

    for scale, kind in ((1.0, "synaptic_operations"), (0.5, "macs")):
        graph = capture(Net(scale).eval(), (3,), "step", STEPS)
        assert ("sum" in tallied(graph)) and any(isinstance(n.op, Affine) for n in graph.nodes.values()) == (
            scale != 1.0
        )
        counting = Counting(graph, compile_float(graph))
        counting.run(np.random.default_rng(0).uniform(0, 9, (SAMPLES, STEPS, 1, 3)))
        assert set(counting.counts.events["head"]) == {kind}
