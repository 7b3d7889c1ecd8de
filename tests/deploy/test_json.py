"""`--json`: one JSON value on standard output, whose keys are those of docs/commands.md, and nothing beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from typer.main import get_command

from deploy.cli import main
from deploy.cli.answer import ask_json
from deploy.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
NET = """
import torch
def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Linear(4, 2)).eval()
"""
CONVERT = ("convert", "--model", "net.py:build", "--weights", "random", "--calib", "calib.npz", "--eval", "eval.npz")
CONVERT += ("--timesteps", "8", "--base", "1.6", "--target", "closed-form", "-o", "out/net")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small model, its data and a NIR file, in which commands run."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("net.py").write_text(NET, encoding="utf-8")
    for name in ("calib", "eval"):
        np.savez(f"{name}.npz", x=rng.normal(size=(8, 3)).astype(np.float32), y=rng.integers(0, 2, 8))
    ones = np.ones(2)
    lif = nir.LIF(tau=0.01 * ones, r=10 * ones, v_leak=0 * ones, v_threshold=ones)
    nodes = {"input": nir.Input({"input": np.array([2])}), "lif": lif, "output": nir.Output({"output": np.array([2])})}
    nir.write("net.nir", nir.NIRGraph(nodes, [("input", "lif"), ("lif", "output")]))
    np.savez("spikes.npz", x=np.ones((2, 5, 2)))
    return tmp_path


def documented() -> dict[str, set[str]]:
    """Keys by command, from the table of the page."""
    rows = re.findall(r"^\| `([^`]*) --json` \| (.*) \|$", PAGE, re.MULTILINE)
    return {command: set(re.findall(r"`(\w+)`", keys)) for command, keys in rows}


def test_every_command_has_it_and_a_row_on_the_page() -> None:
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert any("--json" in parameter.opts for parameter in command.params), name
    assert {row.split()[0] for row in documented()} == set(commands)


def test_what_is_printed_is_json_with_the_keys_of_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {
        "targets": ("targets",),
        "check MODEL": ("check", "net.py:build", "--weights", "random", "--shape", "3"),
        "check FILE.nir": ("check", "net.nir"),
        "convert --dry-run": (*CONVERT, "--dry-run"),
        "convert": CONVERT,
        "report": ("report", "out/net"),
        "place": ("place", "out/net"),
        "energy": ("energy", "out/net"),
        "energy FILE.nir": ("energy", "net.nir", "--input", "spikes.npz", "--dt", "1e-3"),
        "run": ("run", "out/net", "--target", "closed-form", "--input", "eval.npz", "--trust"),
        "run FILE.nir": ("run", "net.nir", "--input", "spikes.npz", "--dt", "1e-3", "--target", "closed-form"),
        "verify": ("verify", "out/net", "--samples", "1", "--target", "stepper", "--trust"),
        "evaluate": ("evaluate", "out/net", "--data", "eval.npz", "--workers", "1", "--trust"),
        "export": ("export", "out/net", "-o", "net-whole.nir"),
        "plot": ("plot", "out/net", "--figure", "ladder", "-o", "ladder.csv"),
        "compare": ("compare", "out/net", "out/net"),
    }
    keys = documented()
    for name, line in lines.items():
        assert main([*line, "--json"]) == 0, name
        content = json.loads(capsys.readouterr().out)
        held = content[0] if isinstance(content, list) else content
        assert keys[name] <= set(held), f"{name}: {sorted(held)}"
        assert keys[name], name
    assert set(keys) - set(lines) == {"fit", "generate", "models", "models --all", "sweep", "trained"}  # take longer


def test_without_it_tables_are_printed_and_a_refusal_leaves_standard_output_empty(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "net.nir", "--json"]) == 0  # what one command was asked for is not the next one's
    json.loads(capsys.readouterr().out)
    assert main(["check", "net.nir"]) == 0
    with pytest.raises(json.JSONDecodeError):
        json.loads(capsys.readouterr().out)
    assert main(["run", "none.nir", "--json"]) == 2
    assert capsys.readouterr().out == ""
    ask_json(False)
