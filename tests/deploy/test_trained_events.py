"""Recordings of event cameras as data of `deploy trained`: every kind of file, folders of both datasets' layouts, bins."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from deploy.cli import main
from deploy.errors import DeployError
from deploy.trained.events import are_events, binned, read_events, recordings
from deploy.trained.report import read_trained

EVENTS, SENSOR, FRAMES = 400, (12, 10), 4
AEDAT4 = Path(__file__).parents[1] / "golden" / "events.aedat4"


def events(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    width, height = SENSOR
    return {
        "t": np.sort(rng.integers(10**6, 2 * 10**6, EVENTS)), "x": rng.integers(0, width, EVENTS).astype(np.int16),
        "y": rng.integers(0, height, EVENTS).astype(np.int16), "p": rng.integers(0, 2, EVENTS).astype(np.int8),
    }  # fmt: skip


def write(file: Path, made: dict[str, np.ndarray], where: str = "events") -> Path:
    """In the form of the file's suffix; of HDF5 as datasets in a group, or as records where the place has no group."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".npz":
        np.savez(file, **made)
    elif file.suffix == ".npy":
        np.save(file, np.stack([made[name] for name in "xypt"], 1))
    else:
        with h5py.File(file, "w") as opened:
            if where == "records":
                opened["CD/events"] = np.rec.fromarrays([made[n] for n in "xypt"], names="x,y,p,t")
            else:
                for name, values in made.items():
                    opened[f"{where}/{name}"] = values
    return file


@pytest.mark.parametrize(
    ("name", "where"), [("a.npz", ""), ("a.npy", ""), ("a.h5", "events"), ("a.hdf5", "/"), ("a.h5", "records")]
)
def test_every_file_holds_the_same_events(tmp_path: Path, name: str, where: str) -> None:
    made = events()
    file = write(tmp_path / name, made, where)
    assert are_events(file)
    found = read_events(file)
    assert all(np.array_equal(found[field], made[field]) for field in "txyp")


def test_order_polarity_and_seconds(tmp_path: Path) -> None:
    made = events()
    order = np.random.default_rng(1).permutation(EVENTS)
    turned = {name: values[order] for name, values in made.items()} | {"p": np.where(made["p"][order], 1, -1)}
    found = read_events(write(tmp_path / "turned.npz", turned))
    assert np.array_equal(found["t"], made["t"]) and found["p"].sum() == made["p"].sum()
    seconds = read_events(write(tmp_path / "seconds.npz", made | {"t": made["t"] / 1e6}))
    step = 1e9 / (made["t"][-1] - made["t"][0])
    assert np.abs(seconds["t"] - (made["t"] - made["t"][0]) * step).max() <= 1


def test_folders_of_classes(tmp_path: Path) -> None:
    """CIFAR10-DVS: names by the alphabet; SpikingJelly's DVS128 Gesture: numbers by what they are worth; classes in turn."""
    for name in ("dog", "airplane", "cat"):
        for i in (0, 1, 10):
            write(tmp_path / "cifar" / name / f"cifar10_{name}_{i}.npz", events())
    found = recordings(tmp_path / "cifar")
    assert [label for _, label in found] == [0, 1, 2] * 3 and found[1][0].parent.name == "cat"
    for label in (2, 10, 0):
        write(tmp_path / "gesture" / str(label) / "user24_fluorescent_0.npz", events())
    assert [(file.parent.name, label) for file, label in recordings(tmp_path / "gesture")] == [
        ("0", 0),
        ("2", 1),
        ("10", 2),
    ]
    for user in ("user2_led", "user10_lab"):
        for label in (10, 2):
            write(tmp_path / "tonic" / user / f"{label}.npy", events())
    assert sorted(label for _, label in recordings(tmp_path / "tonic") if label is not None) == [2, 2, 10, 10]


def test_what_is_no_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", x=np.zeros((2, 1, 6, 6)), y=np.zeros(2, int))
    assert not are_events(tmp_path / "images.npz")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with h5py.File(tmp_path / "other.h5", "w") as opened:
        opened["frames"] = np.zeros(3)
    made = events()
    write(tmp_path / "short.npz", made | {"x": made["x"][:-1]})
    write(tmp_path / "nan.npz", made | {"t": np.full(EVENTS, np.nan)})
    write(tmp_path / "text.npz", made | {"p": np.full(EVENTS, "on")})
    (tmp_path / "empty").mkdir()
    write(tmp_path / "users" / "user01_led" / "clap.npy", made)
    for name, said in (
        ("broken.h5", "no HDF5 file, damaged"), ("broken.npy", "no array that numpy.save wrote"),
        ("other.h5", "holds no events t, x, y, p"), ("short.npz", "of one length"), ("nan.npz", "NaN or infinity"),
        ("text.npz", "no lists of numbers"),
    ):  # fmt: skip
        with pytest.raises(DeployError, match=said):
            read_events(tmp_path / name)
    for name, said in (("empty", "no recording, and no folder"), ("users", "named by the number of their class")):
        with pytest.raises(DeployError, match=said):
            recordings(tmp_path / name)


def test_without_tonic_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tonic.transforms", None)
    with pytest.raises(
        DeployError, match=r"tonic, which is not installed; install it with pip install 'spikedeploy\[events\]'"
    ):
        binned(write(tmp_path / "a.npz", events()), FRAMES, "time", SENSOR, 1)


@pytest.mark.parametrize("split", ["time", "events"])
def test_frames_count_events(tmp_path: Path, split: str) -> None:
    pytest.importorskip("tonic", reason="tonic is not installed: pip install -e '.[events]'")
    for label in range(2):
        write(tmp_path / "all" / str(label) / "0.npz", events(label))
    x, labels = binned(tmp_path / "all", FRAMES, split, SENSOR, 9)
    assert x.shape == (2, FRAMES, 2, *SENSOR[::-1]) and labels is not None and labels.tolist() == [0, 1]
    for sample, made in enumerate(events(seed) for seed in range(2)):
        t = made["t"]
        length = (t[-1] - t[0]) // FRAMES
        bins = np.minimum((t - t[0]) // length, FRAMES) if split == "time" else np.arange(EVENTS) // (EVENTS // FRAMES)
        for frame in range(FRAMES):
            wanted = np.zeros((2, *SENSOR[::-1]))
            for i in np.nonzero(bins == frame)[0]:
                wanted[made["p"][i], made["y"][i], made["x"][i]] += 1
            assert np.array_equal(x[sample, frame], wanted), frame
    with pytest.raises(DeployError, match="outside --sensor 8x8"):
        binned(tmp_path / "all", FRAMES, split, (8, 8), 9)
    with pytest.raises(DeployError, match="too few for 500 frames"):
        binned(tmp_path / "all", 500, split, SENSOR, 9)


def test_aedat4() -> None:
    """Eight events, written by the schemas of the format: event i at 1000 + 100 i, at (i, 3 i mod 10), on if i is even."""
    pytest.importorskip("tonic", reason="tonic is not installed: pip install -e '.[events]'")
    pytest.importorskip("aedat", reason="aedat is not installed: pip install -e '.[events]'")
    found = read_events(AEDAT4)
    i = np.arange(8)
    for name, values in (("t", 1000 + 100 * i), ("x", i), ("y", 3 * i % 10), ("p", i % 2 == 0)):
        assert np.array_equal(found[name], values), name
    x, labels = binned(AEDAT4, 2, "events", SENSOR, 1)
    assert labels is None and x.sum((2, 3, 4)).tolist() == [[4, 4]]


def test_a_damaged_aedat4_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tonic", reason="tonic is not installed: pip install -e '.[events]'")
    pytest.importorskip("aedat", reason="aedat is not installed: pip install -e '.[events]'")
    (tmp_path / "cut.aedat4").write_bytes(AEDAT4.read_bytes()[:700])
    with pytest.raises(DeployError, match="no AEDAT4 file with events, or damaged"):
        read_events(tmp_path / "cut.aedat4")


MODEL = """
import torch
from torch import nn
from converters.trained.nodes import MultiStepLIFNode


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.lif, self.head = nn.Linear(240, 20), MultiStepLIFNode(), nn.Linear(20, 2)

    def forward(self, x):
        return self.head(self.lif(self.fc(x.flatten(2)))).mean(0)
"""


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames of events are spikes: a layer that reads them adds, and multiplies nothing."""
    (tmp_path / "net.py").write_text(MODEL)
    for label in range(2):
        for i in range(3):
            write(tmp_path / "all" / str(label) / f"{i}.h5", events(2 * i + label))
    command = ["trained", "--model", f"{tmp_path}/net.py:Net", "--data", f"{tmp_path}/all", "--lava-samples", "0"]
    options = ["--frames", f"{FRAMES}", "--sensor", "12x10", "-o", f"{tmp_path}/out"]
    assert main([*command, *options]) == 2
    assert "give --form sequence, batch or step" in " ".join(capsys.readouterr().err.split())
    assert main([*command, *options, "--form", "sequence", "--sensor", "big"]) == 2
    assert "as 128x128" in " ".join(capsys.readouterr().err.split())
    pytest.importorskip("tonic", reason="tonic is not installed: pip install -e '.[events]'")
    assert main([*command, *options, "--form", "sequence"]) == 0
    report = read_trained(tmp_path / "out")
    assert report.floating.samples == 6 and report.floating.accuracy is not None
    first = next(layer for layer in report.layers if layer.name == "fc")
    assert first.macs == 0 < first.synaptic_operations
