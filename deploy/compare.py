"""`deploy compare`: conversions side by side, from their report.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from deploy.console import lookup
from deploy.errors import DeployError
from deploy.output import REPORT, require_conversion
from deploy.report.headline import count, percent, seconds, sig
from deploy.report.page import environment


@dataclass(frozen=True)
class Row:
    """One number of every conversion; None where a report has none. ``best``: places of the best, if one is better."""

    label: str
    values: tuple[str | None, ...]
    best: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Conversions by the names of their folders, and what their reports say."""

    model: str
    names: tuple[str, ...]
    rows: tuple[Row, ...]


Write = Callable[[Any], str]
# Where the number stands in report.json, what it is called, how it is written, whether more (1) or less (-1) is better.
_NUMBERS: tuple[tuple[str, str, Write, int], ...] = (
    ("method", "method", str, 0),
    ("precision", "arithmetic", str, 0),
    ("timesteps", "window T", str, 0),
    ("base", "base B", str, 0),
    ("target", "target", str, 0),
    ("samples", "evaluation samples", count, 0),
    ("ann.accuracy", "accuracy, original network", percent, 0),
    ("snn.accuracy", "accuracy, spiking network", percent, 1),
    ("agreement", "same prediction as the original", percent, 1),
    ("snn.output_cosine", "cosine to the original's output", "{:.5f}".format, 1),
    ("snn.relative_error", "relative error of outputs", "{:.4f}".format, -1),
    ("latency_steps", "time steps per sample", count, -1),
    ("spikes.total_per_sample", "spikes per sample", count, -1),
    ("spikes.per_neuron", "spikes per neuron", "{:.3f}".format, -1),
    ("saturations", "saturated potentials", count, -1),
    ("exactness.compared_spikes", "spikes compared with the closed form", count, 0),
    ("exactness.mismatches", "of which differ", count, -1),
    ("seconds.closed_form_per_sample", "time per sample, closed form", seconds, 0),
)


def comparison(folders: Sequence[Path]) -> Comparison:
    """Reads the reports.

    Raises:
        DeployError: fewer than two folders, one that is no conversion, or conversions of different models.
    """
    if len(folders) < 2:
        raise DeployError(f"{len(folders)} conversion is nothing to compare; give two folders or more")
    reports = [_read(folder) for folder in folders]
    models = list(dict.fromkeys(str(report.get("model")) for report in reports))
    if len(models) > 1:
        raise DeployError(f"{folders[0]} and others convert different models ({', '.join(models)}); give one model's")
    rows = [
        _row(label, [lookup(report, path) for report in reports], write, sense)
        for path, label, write, sense in _NUMBERS
    ]
    rows += [
        _row(
            f"FLOPs times firing rate: {what}, \N{MICRO SIGN}J",
            [lookup(r, f"flops_formula.{key}") for r in reports],
            sig,
            -1,
        )
        for what, key in _FORMULA
    ]
    rows += [_row(label, values, sig, -1) for label, values in _energies(reports)]
    graded = [sum(e.get("numbers_per_sample", 0) for e in report.get("not_spiking", [])) for report in reports]
    rows.append(_row("numbers sent that are not spikes", graded, count, -1))
    for name in dict.fromkeys(rung["name"] for report in reports for rung in report.get("blocks", [])):
        found = [{r["name"]: r.get("accuracy") for r in report.get("blocks", [])}.get(name) for report in reports]
        rows.append(_row(f"accuracy, {name} spiking", found, percent, 1))
    names = tuple(folder.resolve().name for folder in folders)
    return Comparison(models[0], names, tuple(row for row in rows if any(v is not None for v in row.values)))


def _read(folder: Path) -> dict[str, Any]:
    path = require_conversion(folder) / REPORT
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeployError(f"{path}: not readable as JSON; convert again with --force") from error


_FORMULA = (
    ("spiking", "snn_microjoules"),
    ("original, FP32", "ann_microjoules"),
    ("original, INT8", "ann_int8_microjoules"),
)
_JOULES = (
    ("spiking", "snn_microjoules"), ("spiking, with what it omits", "snn_microjoules_with_omitted"),
    ("original, FP32", "ann.fp32.microjoules"), ("original, INT8", "ann.int8.microjoules"),
)  # fmt: skip


def _energies(reports: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Microjoules of a sample by every convention that some report has."""
    energies = [report.get("energy", {}) for report in reports]
    conventions = {name: found.get("title", name) for energy in energies for name, found in energy.items()}
    return [
        (f"{title}: {what}, \N{MICRO SIGN}J", [lookup(energy.get(name, {}), path) for energy in energies])
        for name, title in conventions.items()
        for what, path in _JOULES
    ]


def _row(label: str, values: Sequence[Any], write: Write, sense: int) -> Row:
    known = [v for v in values if v is not None]
    best: tuple[int, ...] = ()
    if sense and len(known) > 1 and len(set(known)) > 1:
        target = max(known) if sense > 0 else min(known)
        best = tuple(i for i, v in enumerate(values) if v == target)
    return Row(label, tuple(None if v is None else write(v) for v in values), best)


def table(found: Comparison) -> Table:
    """For a terminal; the best of a row is bold."""
    grid = Table(title=found.model, title_justify="left")
    grid.add_column("")
    for name in found.names:
        grid.add_column(name, justify="right")
    for row in found.rows:
        cells = [f"[bold]{v}[/bold]" if i in row.best else (v or "") for i, v in enumerate(row.values)]
        grid.add_row(row.label, *cells)
    return grid


def write_page(found: Comparison, path: Path) -> None:
    """The same as one HTML file.

    Raises:
        DeployError: it cannot be written.
    """
    page = environment().get_template("compare.html").render(found=found)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DeployError(f"-o {path}: cannot be written ({error.strerror}); choose another file") from error
