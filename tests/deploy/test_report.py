"""report.json holds the agreed keys and only plain values; report.html needs nothing but itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.console import summary
from deploy.energy import EventCounter, conventions
from deploy.measure import compare_layers, evaluate, real_values, record_raster, rung, stages
from deploy.report import Figures, build_report, drawings, render
from deploy.schema import Exactness, Report, Seconds, write_report
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.header import Header
from processes.network import DenseSynapse, Network, PhaseNeuron, Readout
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import FloatSchedule

SAMPLES = np.linspace(-4, 4, 30, dtype=np.float32).reshape(10, 3)
LABELS = np.arange(10) % 2
ABOUT = {
    "model": "<model> & co", "method": "spiked-attention", "precision": "float", "timesteps": 8, "base": 1.4,
    "target": "closed-form", "command": "deploy convert --model '<model>'",
}  # fmt: skip

CONTRACT = [
    "model", "method", "precision", "timesteps", "base", "target", "samples", "ann.accuracy", "snn.accuracy",
    "agreement", "latency_steps", "exactness.compared_spikes", "exactness.mismatches", "seconds.convert",
    "seconds.closed_form_per_sample", "seconds.ann_per_sample", "spikes.total_per_sample",
    "spikes.per_neuron", "saturations", "layers", "not_spiking", "versions", "events", "neurobench",
    *(f"energy.{convention.name}.snn_microjoules" for convention in conventions()),
    *(f"energy.{convention.name}.ann.int8.microjoules" for convention in conventions()),
]  # fmt: skip


def network() -> Network:
    """Three neurons and two outputs."""
    code, ones = PhaseCode(1.4, 8), np.ones((1, 1))
    schedule = FloatSchedule(function="identity", scale=4 * ones, unit=ones, base=code.base, steps=code.steps)
    weight = 4 * np.array([[1.0, 0.5, -1.0], [0.0, -1.0, 2.0]])
    net = Network((1, 3), header=Header(precision="float"))
    net.add("code", PhaseNeuron(shape=(1, 3), schedule=schedule), Network.INPUT)
    net.add("head", DenseSynapse(shape=(1, 2), weight=weight, bias=np.zeros(2), trace=code.levels), "code")
    net.add("readout", Readout(shape=(1, 2), unit=np.ones((1, 2))), "head")
    return net


def contents(classes: bool = True, labels: np.ndarray | None = LABELS) -> tuple[Report, Figures]:
    """A report whose original is the exact product."""
    net = network()
    runner, times = ClosedForm(net), timeline(net)
    events = EventCounter(net)
    measured = evaluate(runner, SAMPLES, events=events)
    original = SAMPLES @ np.array([[1.0, 0.5, -1.0], [0.0, -1.0, 2.0]], np.float32).T
    found = compare_layers({"code": SAMPLES[:, None], "head": original[:, None]}, runner, SAMPLES, real_values(net))
    ladder = [
        rung("ANN", original, original, labels, classes),
        rung("spiking float", measured.outputs, original, labels, classes, found.errors),
        rung("stepped", measured.outputs[:2], original, labels, classes),
    ]
    seconds = Seconds(convert=1.5, ann_per_sample=1e-3, closed_form_per_sample=measured.seconds_per_sample)
    exactness = Exactness(compared_spikes=60, mismatches=0)
    report = build_report(net, times, measured, ladder, events=events, seconds=seconds, exactness=exactness, **ABOUT)
    raster = record_raster(runner, times, SAMPLES[0])
    return report, Figures(found.scatter, raster, stages(net, times))


def written(folder: Path, report: Report) -> dict[str, Any]:
    """The content of a report's file."""
    write_report(folder, report)
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_keys_of_the_contract(tmp_path: Path) -> None:
    held = written(tmp_path, contents()[0])
    for path in CONTRACT:
        value = held
        for key in path.split("."):
            value = value[key]
    assert held["samples"] == 10
    assert held["latency_steps"] == 9
    assert held["spikes"]["per_neuron"] == held["spikes"]["total_per_sample"] / 3
    assert "output_cosine" not in held["snn"]
    assert held["agreement"] == held["ladder"][1]["agreement"]  # of all samples, not of the two stepped ones
    code, head, readout = held["layers"]
    assert {"name", "op", "shape", "error", "spikes"} <= set(code) and "saturations" not in code
    assert {"name", "op", "shape", "error", "saturations"} <= set(head) and "spikes" not in head
    assert code["errors"] == {"spiking float": code["error"]}
    assert readout["name"] == "readout" and "error" not in readout
    assert {"what", "why"} <= set(held["not_spiking"][0])
    assert {"python", "torch", "numpy", "nir"} <= set(held["versions"])


def test_a_missing_value_is_absent(tmp_path: Path) -> None:
    report, figures = contents(classes=False, labels=None)
    report = replace(report, exactness=None)
    held = written(tmp_path, report)
    assert "agreement" not in held and "ann" not in held and "exactness" not in held and "options" not in held
    assert set(held["snn"]) == {"output_cosine", "relative_error"}
    for text in ((tmp_path / "report.json").read_text(encoding="utf-8"), render(report, figures)):
        assert not re.search(r"\b(null|None|NaN|nan|Infinity|inf)\b", text)


class Checker(HTMLParser):
    """Collects what a page loads, and whether its elements close in order."""

    VOID = ("meta", "link", "img", "br", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = ("src", "href", "srcset", "xlink:href", "data")
        within = [name for name, value in attrs if (value or "").startswith("#")]  # places on the page itself
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in loading and name not in within]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("classes", [True, False])
def test_the_page_is_one_file(drawn: bool, classes: bool) -> None:
    report, figures = contents(classes)
    page = render(report, figures if drawn else Figures())
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == [] and checker.loads == []
    assert "http://" not in page and "https://" not in page and "url(" not in page and "@import" not in page
    assert "prefers-color-scheme" in page and "viewport" in page
    text = " ".join("".join(checker.text).split())
    assert "<model> & co as a spiking network" in text
    assert "deploy convert --model '<model>'" in text
    assert ("Agreement" in text) == classes
    assert ("Decoded spikes against the original" in text) == drawn
    assert "What is not spiking" in text


def test_a_network_of_many_layers_keeps_the_page_small() -> None:
    values = np.random.default_rng(0).normal(size=(2, 1500)).astype(np.float32)
    panels = drawings.panels({str(n): (values[0], values[1]) for n in range(300)})
    assert sum(len(panel.points) for panel in panels) < 1_000_000


def test_a_scatter_of_one_value_has_a_place() -> None:
    (panel,) = drawings.panels({"zero": (np.zeros(5, np.float32), np.zeros(5, np.float32))})
    assert panel.points == f"M0 {drawings.SIDE * 0}h0"
    (panel,) = drawings.panels({"ends": (np.array([0.0, 2.0]), np.array([0.0, 1.0]))})
    assert panel.points == f"M0 {drawings.SIDE}h0M{drawings.SIDE} {drawings.SIDE // 2}h0"


@pytest.mark.parametrize("period", [1, 7, 40, 443, 1409, 100_000])
def test_time_axis_has_a_handful_of_round_marks(period: int) -> None:
    marks = [tick.step for tick in drawings.ticks(period)]
    assert marks[0] == 0 and 2 <= len(marks) <= 10
    assert str(marks[1]).rstrip("0") in ("1", "2", "5")


def test_the_summary_in_the_terminal_reads_the_same_report() -> None:
    assert summary(contents()[0]).row_count >= 8
