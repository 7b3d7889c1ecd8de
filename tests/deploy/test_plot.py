"""Figures: their numbers survive a folder, what is drawn is what was measured, and what cannot be drawn is refused."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy import plot
from deploy.cli import main
from deploy.errors import DeployError
from deploy.measure import AttentionMap
from deploy.options import ConvertOptions
from deploy.output import GRAPH
from deploy.plot.source import PANELS, chosen_layers
from deploy.report import Figures, data, read_figures, render, write_figures
from deploy.report.rungs import rungs
from deploy.schema import Joules, Report, Rung, Sweep, dumps, write_report
from tests.deploy.reports import conversion, point
from tests.deploy.test_report import contents


def measured() -> tuple[Report, Figures]:
    report, figures = contents()
    rng = np.random.default_rng(0)
    maps = [AttentionMap("blocks.0.softmax", 2, rng.random((2, 3)), rng.random((2, 3)), 0.9, True, ("a", "b"))]
    return report, replace(figures, attention=maps, sample=rng.random((1, 4, 4)).astype(np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    report, figures = measured()
    (out / GRAPH).write_bytes(b"")
    write_report(out, report)
    write_figures(out, figures)
    return out


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    points = tuple(
        point(t, accuracy=0.9 - 1 / t, ann_accuracy=0.9, energy={"x": Joules(title="X", snn=t, fp32=9.0, int8=1.0)})
        for t in (8, 16)
    )
    (tmp_path / "sweep.json").write_text(
        dumps(Sweep(options=ConvertOptions("demo"), points=points, fronts={"x": (0, 1), "latency": (0, 1)}))
    )
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_figures_survive_their_file(folder: Path) -> None:
    before, after = measured()[1], read_figures(folder)
    assert list(before.stages) == list(after.stages) and after.sample is not None and before.sample is not None
    assert np.array_equal(before.sample, after.sample) and before.scatter.keys() == after.scatter.keys()
    for one, other in zip((*before.raster, *before.attention), (*after.raster, *after.attention), strict=True):
        for key, value in vars(one).items():
            assert np.array_equal(value, getattr(other, key)), key
    for name, pair in before.scatter.items():
        assert all(np.array_equal(np.float32(a), b) for a, b in zip(pair, after.scatter[name], strict=True))


def test_a_damaged_file_is_refused_and_an_absent_one_is_empty(tmp_path: Path) -> None:
    assert read_figures(tmp_path) == Figures()
    (tmp_path / "figures.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DeployError, match=r"figures\.npz"):
        read_figures(tmp_path)
    np.savez(tmp_path / "figures.npz", index=np.array('{"raster": [{"name": "x"}]}'))
    with pytest.raises(DeployError, match="damaged, or not written by deploy"):
        read_figures(tmp_path)


def test_numbers_are_those_that_were_measured() -> None:
    report, figures = measured()
    spikes = rows(data.raster(figures.raster))
    assert len(spikes) == sum(len(layer.steps) for layer in figures.raster) > 0
    assert [int(row["time_step"]) for row in spikes] == np.concatenate([r.steps for r in figures.raster]).tolist()
    ladder = rows(data.ladder(report.ladder))
    assert [row["network"] for row in ladder] == [rung.name for rung in report.ladder]
    assert ladder[0]["agreement"] == "" and float(ladder[1]["accuracy_low"]) < float(ladder[1]["accuracy"])
    costs = [cost for cost in report.energy.values()]
    total = sum(float(r["microjoules"]) for r in rows(data.energy(costs[:1])) if r["network"] == "spiking")
    assert total == pytest.approx(sum(term.microjoules for term in costs[0].snn_terms), rel=1e-5)
    assert len(rows(data.attention(figures.attention))) == 6


def test_every_chart_of_the_page_has_a_name_axes_and_its_numbers() -> None:
    page = render(*measured())
    figures = re.findall(r'<figure[^>]*data-name="([^"]+)" data-csv="([^"]*)"[^>]*>(.*?)</figure>', page, re.DOTALL)
    names = {name.rpartition(": ")[2] for name, *_ in figures}
    assert {
        "where accuracy goes",
        "decoded against original",
        "spikes over time",
        "stages over time",
        "attention",
    } <= names
    assert any(name.startswith("energy of one sample") for name, *_ in figures)
    for name, numbers, drawing in figures:
        assert numbers.count("\n") > 1, name
        assert drawing.count("<svg") == 1 and re.search(r"<text[^>]*>[a-z ]{4}", drawing), name
    assert page.count("<svg") == len(figures) + 1  # the input is a picture, not a chart


def test_the_ladder_spans_its_intervals() -> None:
    drawn = rungs((Rung(name="a", samples=4, accuracy=0.5), Rung(name="b", samples=400, accuracy=0.5)))
    assert drawn is not None
    few, many = (row.marks[0] for row in drawn.rows)
    assert few.x == many.x and few.high - few.low > 4 * (many.high - many.low) > 0
    assert rungs((Rung(name="a", samples=4, accuracy=0.5),)) is None
    errors = rungs((Rung(name="a", samples=4), Rung(name="b", samples=4, relative_error=0.5)))
    assert errors is not None and "error" in errors.label and errors.rows[0].marks == []


def test_names_choose_panels() -> None:
    names = [f"blocks.{n}.fc" for n in range(100)]
    some = chosen_layers(names, None, "x")
    assert len(some) == PANELS == len(set(some)) and some[0] == names[0] and some[-1] == names[-1]
    assert chosen_layers(names, "blocks.1?.fc", "x") == names[10:20]
    with pytest.raises(DeployError, match=r"--layers fc: matches none of x; it has blocks\.0\.fc"):
        chosen_layers(names, "fc", "x")


@pytest.mark.parametrize("figure", [name for name in plot.FIGURES if name != "pareto"])
def test_figures_are_drawn(figure: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    for ending, first in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        out = tmp_path / f"x.{ending}"
        assert main(["plot", str(folder), "--figure", figure, "-o", str(out)]) == 0, capsys.readouterr().err
        assert out.read_bytes().startswith(first)
    drawn = getattr(plot, figure)(folder)
    axes = [one for one in drawn.axes if one.axison and one.get_label() != "<colorbar>"]
    assert drawn._suptitle.get_text() and axes and all(one.get_xlabel() for one in axes)


def test_the_front_is_drawn(sweep: Path) -> None:
    pytest.importorskip("matplotlib")
    energy, latency = plot.pareto(sweep).axes
    line = next(line for line in energy.lines if line.get_label() == "Pareto front")
    assert np.allclose(line.get_xydata(), [[8, 12.5], [16, 6.25]]) and "X" in energy.get_xlabel()
    assert latency.get_xlabel() == "latency, time steps"


@pytest.mark.parametrize("figure", plot.FIGURES)
def test_numbers_need_no_matplotlib(figure: str, folder: Path, sweep: Path) -> None:
    plot.save(sweep if figure == "pareto" else folder, figure, sweep / "x.csv")
    assert rows((sweep / "x.csv").read_text())


def test_what_cannot_be_drawn_is_refused(folder: Path, sweep: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        with pytest.raises(DeployError) as error:
            plot.save(*arguments)  # type: ignore[arg-type]
        return str(error.value)

    assert "did you mean energy" in refused(folder, "energie", "x.svg")
    assert ".svg, .pdf, .png, .csv" in refused(folder, "energy", "x.jpg")
    assert "but for scatter, raster, attention" in refused(folder, "energy", "x.svg", "blocks.*")
    assert "which has the figure `pareto` alone" in refused(sweep, "energy", "x.svg")
    assert "`deploy sweep`" in refused(folder, "pareto", "x.svg")
    assert "no counted events" in refused(conversion(tmp_path / "empty"), "energy", tmp_path / "x.csv")
    assert not list(tmp_path.glob("x.*"))
