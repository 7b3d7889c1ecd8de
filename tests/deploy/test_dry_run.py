"""`deploy convert --dry-run`, `-v` and `-q`: what is announced is what happens, and nothing else is said or done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.cli.app import app
from deploy.dry_run import dry_run, memory
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from processes.synapse import Synapse

NET = """
import torch
from torch import nn
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))
"""


@pytest.fixture
def options(tmp_path: Path) -> ConvertOptions:
    (tmp_path / "net.py").write_text(NET)
    np.savez(tmp_path / "calib.npz", x=np.random.default_rng(0).random((20, 6), np.float32))
    return ConvertOptions(
        model=f"{tmp_path}/net.py:build", weights="random", calib=tmp_path / "calib.npz", timesteps=8, target="closed-form",
        out=tmp_path / "out",
    )  # fmt: skip


def command(options: ConvertOptions, *more: str) -> list[str]:
    return ["convert", "--model", options.model, "--weights", "random", "--calib", str(options.calib), "--timesteps",
            str(options.timesteps), "--target", "closed-form", "-o", str(options.out), *more]  # fmt: skip


@pytest.mark.parametrize("method", ["spiked-attention", "sit"])
def test_what_is_announced_is_what_is_done(options: ConvertOptions, method: str) -> None:
    options = replace(options, method=method)  # type: ignore[arg-type]
    found = dry_run(options)
    assert options.out is not None and not options.out.exists()
    assert main(command(options, "--method", method, "-q")) == 0
    report = json.loads((options.out / "report.json").read_text())
    assert found.model is not None
    assert (found.model.steps, found.model.neurons) == (report["latency_steps"], report["spikes"]["neurons"])
    assert found.model.cores == {chip: placed["cores"] for chip, placed in report["placement"].items()}
    assert (found.calibration[0], found.evaluation[0]) == (report["calibration_samples"], report["samples"]) == (16, 4)
    assert replace(found.model, steps=0) != found.model
    with pytest.raises(DeployError, match="--force replaces it"):  # as the conversion would
        dry_run(options)


def test_it_converts_nothing_and_says_so(options: ConvertOptions, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(options, "--dry-run", "--budget", "0.5")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Nothing was converted" in shown and "T = 8" in shown and "within --budget 0.5" in shown and "GiB" in shown
    assert options.out is not None and not options.out.exists()


def test_more_values_take_more_memory(options: ConvertOptions) -> None:
    from converters.lowering import lower
    from converters.pipeline import front_end
    from deploy.steps import loaded_model

    def network(width: int):
        x = np.ones((1, width, 6), np.float32)
        return lower(front_end(loaded_model(options).module, [x])[0], x.shape)

    few, many = (list(memory(network(width), 8, True).values()) for width in (1, 100))
    assert few[1] == many[1] > 0 and all(b > 50 * a > 0 for a, b in zip(few[2:], many[2:], strict=True))
    weights = sum(node.op.weight.size for _, node in network(1) if isinstance(node.op, Synapse))
    assert few[1] == 2 * weights / 2**30 and list(memory(network(1), 8, False).values())[1] == 2 * few[1]
    assert len(memory(None, 8, True)) == 1


def test_every_command_takes_both_and_never_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for entry in app.registered_commands:
        assert entry.callback is not None
        names = entry.callback.__annotations__
        assert {"verbose", "quiet"} <= set(names), entry.callback
    assert main(["targets", "-v", "-q"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_how_much_is_said(options: ConvertOptions, capsys: pytest.CaptureFixture[str]) -> None:
    said = {}
    for flags in ((), ("-q",), ("-v",)):
        assert main(command(options, "--force", *flags)) == 0
        said[flags] = capsys.readouterr()
    assert said["-q",].err == "" and "closed form" in said[()].err
    assert all("Written to" in one.out for one in said.values())
    assert "GiB of memory at most so far" in said["-v",].err and "GiB" not in said[()].err
    assert main(["report", "/nowhere", "-v"]) == 2 and "Traceback" in capsys.readouterr().err
    assert main(["report", "/nowhere"]) == 2 and "Traceback" not in capsys.readouterr().err
