"""`deploy verify` of a folder that `deploy trained` wrote, and what the commands that take conversions say of one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.trained.verify import FILE, read_samples, write_samples

MODEL = """
import torch
from torch import nn
from converters.trained.nodes import LIFNode


def build():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), LIFNode(v_threshold=0.3), nn.Linear(5, 3), LIFNode(v_threshold=0.2))
    for layer in (net[0], net[2]):
        layer.weight.data *= 4
    return net
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).uniform(0, 1, (4, 6)))
    options = ["--form", "step", "--frames", "3", "--lava-samples", "0", "-o", f"{tmp_path}/out"]
    assert main(["trained", "--model", f"{tmp_path}/net.py:build", "--data", f"{tmp_path}/data.npz", *options]) == 0
    return tmp_path / "out"


def test_a_folder_is_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lava.magma")
    capsys.readouterr()
    assert main(["verify", f"{folder}", "--samples", "3", "--granularity", "operation"]) == 0
    values = 3 * 3 * (2 * (5 + 3) + 3)  # samples, steps; spikes and potentials of both layers, outputs
    assert f"identical: {values} spikes, potentials and outputs, 3 samples, one Lava Process per operation" in (
        capsys.readouterr().out
    )
    assert main(["verify", f"{folder}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identical"] and found["samples"] == 2 and found["differing"] == 0


def test_one_spike_that_differs_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lava.magma")
    from targets.nir_graph import lava

    real = lava.run_in_lava

    def altered(*arguments, **options):
        traces = real(*arguments, **options)
        traces.spikes["1"][1, 2, ..., 4] ^= True
        return traces

    monkeypatch.setattr(lava, "run_in_lava", altered)
    assert main(["verify", f"{folder}"]) == 1
    error = capsys.readouterr().err
    assert "1 of 114 spikes, potentials and outputs differ; first: spikes of 1 at (0, 4), sample 1, step 2" in error


def test_what_a_user_can_put_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*command: str) -> str:
        assert main([*command]) == 2
        return capsys.readouterr().err

    assert "keeps 4; give at most so many" in refused("verify", f"{folder}", "--samples", "5")
    assert "which Lava verifies" in refused("verify", f"{folder}", "--target", "stepper")
    for command in ("run", "place", "evaluate"):
        error = refused(command, f"{folder}")
        assert "deploy trained wrote it" in error and "deploy run" in error and "whole.nir" in error, command
    (folder / FILE).write_bytes(b"PK")
    assert FILE in refused("verify", f"{folder}")
    np.savez(folder / FILE, x=np.zeros(3))
    assert "damaged" in refused("verify", f"{folder}")
    (folder / FILE).unlink()
    assert "run deploy trained again" in refused("verify", f"{folder}")


@pytest.mark.parametrize("still", [True, False])
def test_samples_come_back(tmp_path: Path, still: bool) -> None:
    x = np.random.default_rng(0).uniform(0, 1, (3, 4, 2, 2))
    x = np.repeat(x[:, :1], 4, axis=1) if still else x
    write_samples(tmp_path, x)
    assert np.array_equal(read_samples(tmp_path), x)
    with np.load(tmp_path / FILE) as kept:
        assert kept["x"].shape[1] == (1 if still else 4)
