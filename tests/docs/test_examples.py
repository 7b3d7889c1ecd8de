"""The examples run as they stand, and find what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(name: str, *arguments: str) -> str:
    """What an example prints, run as a user runs it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_head_of_attention_in_lava(tmp_path: Path) -> None:
    pytest.importorskip("lava")
    out = tmp_path / "spikes.svg"
    said = run("lava_attention.py", str(out))
    assert said.count("the closed form's in every step") == 5 and "0 spikes," not in re.sub(r"\d0 spikes", "", said)
    errors = [float(number) for number in re.findall(r"largest error of a weight ([\d.]+)", said)]
    assert len(errors) == 2 and max(errors) < 0.05  # levels are 15 % apart, and weights below one
    assert out.exists() == ("spikes drawn in" in said)


def test_a_layer_pair_in_lava() -> None:
    pytest.importorskip("lava")
    assert "same spikes as the closed form: True" in run("lava_by_hand.py")


def test_snntorch_onto_integers() -> None:
    pytest.importorskip("snntorch")
    said = run("snntorch_to_loihi.py")
    assert "floating point: 100.00% of snnTorch's spikes and silences" in said
    (right,) = re.findall(r"Loihi's integers: (\d+)% right", said)
    assert int(right) >= 90
