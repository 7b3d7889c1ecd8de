"""`deploy compare` and `deploy fit`: what they say, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cli import main
from deploy.compare import comparison
from deploy.errors import DeployError
from deploy.output import REPORT
from deploy.schema import Cost, NotSpiking, OriginalCost, Originals, Rung, Spikes, Spiking
from processes.si_exp.table import read_tables
from tests.deploy.reports import conversion


def cost(spiking: float) -> Cost:
    original = OriginalCost(microjoules=9.0)
    return Cost(
        title="Loihi 1",
        about="",
        source="",
        snn_microjoules=spiking,
        snn_terms=(),
        ann=Originals(fp32=original, int8=original),
    )


def sends(numbers: int) -> NotSpiking:
    return NotSpiking(what="Input", why="", nodes=1, numbers_per_sample=numbers)


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two reports that differ, one of which lacks a number."""
    first = conversion(
        tmp_path / "woss", method="spiked-attention", snn=Spiking(accuracy=0.91), latency_steps=1400,
        spikes=Spikes(total_per_sample=5e4), energy={"loihi1": cost(3.5)}, not_spiking=(sends(10),),
    )  # fmt: skip
    second = conversion(
        tmp_path / "sit", method="sit", snn=Spiking(accuracy=0.92), latency_steps=700, spikes=Spikes(total_per_sample=9e4),
        blocks=(Rung(name="1 of 3 blocks", samples=7, accuracy=0.9),), not_spiking=(sends(12), sends(0)),
    )  # fmt: skip
    return [first, second]


def test_side_by_side(pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.label: row for row in comparison(pair).rows}
    assert rows["accuracy, spiking network"].best == (1,)
    assert rows["time steps per sample"].values == ("1,400", "700") and rows["time steps per sample"].best == (1,)
    assert rows["spikes per sample"].best == (0,)
    energy = rows["Loihi 1: spiking, \N{MICRO SIGN}J"]
    assert energy.values == ("3.5", None) and energy.best == ()
    assert rows["accuracy, 1 of 3 blocks spiking"].values[0] is None
    assert rows["numbers sent that are not spikes"].values == ("10", "12")
    assert "of which differ" not in rows  # neither has it
    page = tmp_path / "compare.html"
    assert main(["compare", *map(str, pair), "-o", str(page)]) == 0
    assert "1,400" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "<b>700</b>" in text and "<b>1,400</b>" not in text and "demo" in text


def test_refusals(pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeployError, match="1 conversion is nothing to compare"):
        comparison(pair[:1])
    other = conversion(tmp_path / "other", model="timm:vit")
    with pytest.raises(DeployError, match="convert different models"):
        comparison([pair[0], other])
    (other / REPORT).write_text("{", encoding="utf-8")
    with pytest.raises(DeployError, match="not readable as JSON"):
        comparison([pair[0], other])
    assert main(["compare", *map(str, pair), "-o", str(tmp_path / "none" / "x.html")]) == 2
    assert capsys.readouterr().err.startswith("error: -o ")


def test_fit_adds_a_table_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from processes.si_exp import fit

    monkeypatch.setattr(fit.fit, "__defaults__", (0, 300, None))  # few rounds: what is tested is the file
    path = tmp_path / "tables.json"
    for steps in (3, 4, 3):
        line = ["fit", "--function", "exp", "--timesteps", str(steps), "--range", "-0.5", "0.5", "-o", str(path)]
        assert main(line) == 0
    assert "RMSE" in capsys.readouterr().out
    tables = read_tables(path)
    assert [table.steps for table in tables] == [3, 4] and tables[0].low == -0.5
    path.write_text("[1]", encoding="utf-8")
    assert main(["fit", "--timesteps", "2", "-o", str(path)]) == 2
    assert main(["fit", "--function", "sine"]) == 2
    assert "known are exp" in capsys.readouterr().err
