"""`deploy check MODEL` on no data, `--json` of what looks at things, and tables that fit a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

import deploy
from deploy.cli import main
from deploy.energy.conventions import conventions
from deploy.energy.tables import energy_tables
from deploy.model_check import check_model
from deploy.schema import Cost, Layer, OriginalCost, Originals
from tests.deploy.reports import conversion, report

SOURCE = """
import torch
from torch import nn
class Bad(nn.Module):
    def forward(self, x):
        return torch.floor(x)
def good():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
class Named(nn.Linear):
    def forward(self, x):
        return {"y": super().forward(x)}
def named():
    return Named(6, 3)
def bad():
    return nn.Sequential(nn.Linear(6, 6), Bad())
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(SOURCE)
    return tmp_path / "nets.py"


def test_what_is_announced_is_what_conversion_makes(nets: Path) -> None:
    found = check_model(f"{nets}:good", shape=(6,))
    torch.manual_seed(0)
    made = deploy.convert(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), torch.rand(20, 6), base=1.2)
    report = made.report
    assert (found.neurons, found.steps) == (report.spikes.neurons, report.latency_steps) and not found.refusals
    assert found.synapses == report.placement["loihi2"].synapses == 6 * 5 + 5 * 3 + 6
    assert found.cores == {chip: placed.cores for chip, placed in report.placement.items()}


def test_a_refusal_names_the_operation_and_fails(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{nets}:bad", "--shape", "6", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["converts"] and [r["kind"] for r in found["refusals"]] == ["floor"]
    assert main(["check", f"{nets}:bad", "--shape", "6"]) == 1
    assert "no spiking form" in " ".join(capsys.readouterr().out.split())
    assert main(["check", f"{nets}:good", "--shape", "6"]) == 0
    assert "Everything converts" in capsys.readouterr().out


def test_outputs_that_conversion_refuses_are_refused(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{nets}:named", "--shape", "6"]) == 2
    assert "returns dict; wrap it so that it returns one tensor" in capsys.readouterr().err


def test_a_shape_that_nobody_says_is_asked_for(nets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{nets}:good"]) == 2 and "--shape missing" in capsys.readouterr().err
    assert main(["check", f"{nets}:good", "--shape", "six"]) == 2 and "--shape six" in capsys.readouterr().err


ORIGINAL = OriginalCost(microjoules=9.0)
COST = Cost(
    title="x", about="", source="", snn_microjoules=1.5, snn_terms=(), ann=Originals(fp32=ORIGINAL, int8=ORIGINAL)
)
NAME = "encoder.layers.11.attention.self.query.neuron.route"
LAYER = Layer(
    name=NAME, op="dense", shape=(1, 9), start=0, stop=1,
    events=dict.fromkeys(("spikes", "synaptic_operations", "potential_updates", "compares", "macs"), 1234567890.0),
)  # fmt: skip


def test_json_of_energy_compare_and_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    energy = {conventions()[0].name: COST}
    folders = [str(conversion(tmp_path / name, energy=energy, layers=(LAYER,))) for name in "ab"]
    assert main(["energy", folders[0], "--json", "--layers"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["energy"][conventions()[0].name]["snn_microjoules"] == 1.5
    assert found["layers"][NAME]["macs"] == 1234567890
    assert main(["compare", *folders, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["names"] == ["a", "b"] and {"label", "values", "best"} == set(compared["rows"][0])
    assert main(["targets", "--json"]) == 0
    listed = {target["name"]: target for target in json.loads(capsys.readouterr().out)}
    assert listed["closed-form"]["missing"] is None


def test_layers_are_readable_at_110_columns() -> None:
    console = Console(width=110, file=io.StringIO())
    console.print([*energy_tables(report(layers=(LAYER,)), layers=True)][-1])
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 110 and not any("…" in line for line in lines)
    (row,) = (line for line in lines if "1,234,567,890" in line)
    assert row.count("1,234,567,890") == 5
