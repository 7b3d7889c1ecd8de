"""`deploy run FILE.nir`: standard graphs and our own, from the command line."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest

from deploy.cli import main
from deploy.sources.signals import load_signals

PAPER = Path(__file__).parents[1] / "golden" / "nir-paper"


@pytest.fixture
def spikes(tmp_path: Path) -> Path:
    """The paper's input as an .npz."""
    rows = np.loadtxt(PAPER / "lif_norse.csv", delimiter=",")
    np.savez(tmp_path / "spikes.npz", x=rows[:, 0].reshape(1, -1, 1))
    return tmp_path / "spikes.npz"


def run(*arguments: object) -> int:
    return main(["run", str(PAPER / "lif_norse.nir"), *map(str, arguments), "--target", "closed-form"])


def test_outputs_of_a_standard_graph(spikes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", spikes, "--output", tmp_path / "out.npz") == 0
    assert "dt = 0.0001, euler" in capsys.readouterr().out
    with np.load(tmp_path / "out.npz") as saved:
        assert saved["output"].shape == (1, 1000, 1) and saved["output"].sum() == 4
        assert saved["spikes:1"].dtype == bool


def test_fixed_point_says_with_what_error(spikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", spikes, "--precision", "fixed", "--scale", 250) == 0
    shown = capsys.readouterr().out
    assert "0.513 %" in shown and "did not fit their width: 0" in shown


def test_refusals_are_a_table(spikes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", spikes, "--dt", 0.1) == 2
    shown = capsys.readouterr().err
    assert "tau reaches 0.0025" in shown and "error: the NIR graph cannot run" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--input missing"),
        (["--input", "nothing.npz"], "no such file"),
        (["--input", PAPER / "README.md"], "neither .npz nor NIR data"),
        (["--method", "midpoint", "--input", PAPER / "README.md"], "known are euler, exact"),
        (["--dt", "-1", "--input", PAPER / "README.md"], "must be above 0"),
    ],
)
def test_mistakes_are_one_line(arguments: list[object], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1


def test_nir_data_files(tmp_path: Path) -> None:
    """Gridded data and events, as nir.write_data stores them."""
    x = np.random.default_rng(0).random((2, 7, 6)) < 0.5
    gridded = nir.TimeGriddedData(x, 1e-3)
    for name, observed in (("gridded", gridded), ("events", gridded.to_event(50))):
        data = nir.NIRGraphData({"input": nir.NIRNodeData({"spikes": observed})})
        nir.write_data(tmp_path / f"{name}.nir", data)
        signals = load_signals(tmp_path / f"{name}.nir", {"input": (2, 3)}, None, None, 1e-3)
        assert signals.dt == 1e-3
        np.testing.assert_array_equal(signals.inputs["input"].reshape(x.shape), x)


def test_inputs_without_time_are_held(tmp_path: Path) -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "x.npz", x=x, y=np.array([1, 0]))
    signals = load_signals(tmp_path / "x.npz", {"in": (3,)}, 1, 4, None)
    np.testing.assert_array_equal(signals.inputs["in"], np.broadcast_to(x[:1, None], (1, 4, 3)))
    assert signals.labels is not None and signals.labels.tolist() == [1]
