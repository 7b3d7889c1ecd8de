"""`deploy compare`: conversions of one model side by side, read from their reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from deploy.energy.tables import FORMULA
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.output import require_conversions
from deploy.report.headline import count, seconds, sig
from deploy.report.page import environment
from deploy.schema import Cost, FlopsFormula, Report, read_report
from deploy.shares import share_of
from deploy.terminal import plain
from processes.files import write_text


@dataclass(frozen=True)
class Row:
    """A number of every conversion, None where a report lacks it; ``best``: indices of the best, () if all agree."""

    label: str
    values: tuple[str | None, ...]
    best: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What `deploy compare` shows: a column for each conversion, named after its folder, and a row for each number."""

    model: str
    names: tuple[str, ...]
    rows: tuple[Row, ...]


Write = Callable[[Any], str]
# Label, how to read the number from a report, how to write it, whether more (1), less (-1) or neither (0) is better.
_NUMBERS: tuple[tuple[str, Callable[[Report], Any], Write, int], ...] = (
    ("evaluation samples", lambda r: r.samples, count, 0),
    ("accuracy, original network", lambda r: share_of(r.ann.accuracy, r.samples), str, 0),
    ("accuracy, spiking network", lambda r: share_of(r.snn.accuracy, r.samples), str, 1),
    ("same prediction as the original", lambda r: share_of(r.agreement, r.samples), str, 1),
    ("cosine to the original's output", lambda r: r.snn.output_cosine, "{:.5f}".format, 1),
    ("relative error of outputs", lambda r: r.snn.relative_error, "{:.4f}".format, -1),
    ("time steps per sample", lambda r: r.latency_steps, count, -1),
    ("spikes per sample", lambda r: r.spikes.total_per_sample, count, -1),
    ("spikes per neuron", lambda r: r.spikes.per_neuron, "{:.3f}".format, -1),
    ("saturated potentials", lambda r: r.saturations, count, -1),
    ("spikes compared with the closed form", lambda r: r.compared and r.compared.compared_spikes, count, 0),
    ("of which differ", lambda r: r.compared and r.compared.mismatches, count, -1),
    ("time per sample, closed form", lambda r: r.seconds.closed_form_per_sample, seconds, 0),
)
_FORMULA: tuple[tuple[str, Callable[[FlopsFormula], float]], ...] = (
    ("spiking", lambda formula: formula.snn_microjoules),
    ("original, FP32", lambda formula: formula.ann_microjoules),
    ("original, INT8", lambda formula: formula.ann_int8_microjoules),
)
_JOULES: tuple[tuple[str, Callable[[Cost], float | None]], ...] = (
    ("spiking", lambda cost: cost.snn_microjoules),
    ("spiking, with what it omits", lambda cost: cost.snn_microjoules_with_omitted),
    ("original, FP32", lambda cost: cost.ann.fp32.microjoules),
    ("original, INT8", lambda cost: cost.ann.int8.microjoules),
)


def comparison(folders: Sequence[Path]) -> Comparison:
    """Compare the reports of several conversions.

    Raises:
        DeployError: there are fewer than two folders, one is not a conversion, or they convert different models.
    """
    require_conversions(folders)
    reports = [read_report(folder) for folder in folders]
    models = list(dict.fromkeys(report.model for report in reports))
    if len(models) > 1:
        raise DeployError(f"{folders[0]} and others convert different models ({', '.join(models)}); give one model's")
    rows = _settings(reports)
    rows += [_row(label, [read(report) for report in reports], write, sense) for label, read, write, sense in _NUMBERS]
    rows += [
        _row(
            f"{FORMULA}: {what}, \N{MICRO SIGN}J",
            [r.flops_formula and read(r.flops_formula) for r in reports],
            sig,
            -1,
        )
        for what, read in _FORMULA
    ]
    rows += [_row(label, values, sig, -1) for label, values in _energies(reports)]
    graded = [sum(entry.numbers_per_sample for entry in report.not_spiking) for report in reports]
    rows.append(_row("numbers sent that are not spikes", graded, count, -1))
    blocks = [{rung.name: share_of(rung.accuracy, rung.samples) for rung in report.blocks} for report in reports]
    for name in dict.fromkeys(name for found in blocks for name in found):
        rows.append(_row(f"accuracy, {name} spiking", [found.get(name) for found in blocks], str, 1))
    names = tuple(folder.resolve().name for folder in folders)
    return Comparison(models[0], names, tuple(row for row in rows if any(v is not None for v in row.values)))


# Label of a setting, and how to read it from a report; other options follow under their own names.
_SETTINGS: tuple[tuple[str, Callable[[Report], Any]], ...] = (
    ("method", lambda r: r.method),
    ("arithmetic", lambda r: r.precision),
    ("window T", lambda r: r.timesteps_in_words),
    ("base B", lambda r: r.base_in_words),
    ("target", lambda r: r.target),
)
_SHOWN = ("method", "precision", "timesteps", "base", "target")
_NO_SETTINGS = ("model", "weights", "out", "force", "batch_size", "granularity")
"""Options that name files or affect speed alone, and change no number of the comparison."""


def _settings(reports: Sequence[Report]) -> list[Row]:
    """Rows of the settings in which the conversions differ."""
    rows = [(label, [read(report) for report in reports]) for label, read in _SETTINGS]
    names = [field.name for field in fields(ConvertOptions) if field.name not in (*_SHOWN, *_NO_SETTINGS)]
    for name in names:
        values = [None if report.options is None else getattr(report.options, name) for report in reports]
        rows.append((name.replace("_", " "), values))
    texts = [(label, ["" if value is None else str(value) for value in values]) for label, values in rows]
    return [Row(label, tuple(text or None for text in found)) for label, found in texts if len(set(found)) > 1]


def _energies(reports: Sequence[Report]) -> list[tuple[str, list[float | None]]]:
    """Labels and microjoules per sample, for every energy convention that at least one report has."""
    conventions = {name: cost.title for report in reports for name, cost in report.energy.items()}
    return [
        (
            f"{title}: {what}, \N{MICRO SIGN}J",
            [read(report.energy[name]) if name in report.energy else None for report in reports],
        )
        for name, title in conventions.items()
        for what, read in _JOULES
    ]


def _row(label: str, values: Sequence[Any], write: Write, sense: int) -> Row:
    known = [v for v in values if v is not None]
    best: tuple[int, ...] = ()
    if sense and len(known) > 1 and len(set(known)) > 1:
        target = max(known) if sense > 0 else min(known)
        best = tuple(i for i, v in enumerate(values) if v == target)
    return Row(label, tuple(None if v is None else write(v) for v in values), best)


def table(found: Comparison) -> Table:
    """The comparison as a table for a terminal; the best values of a row are bold."""
    grid = Table(title=found.model, title_justify="left")
    grid.add_column("")
    for name in found.names:
        grid.add_column(name, justify="right")
    for row in found.rows:
        cells = [Text(plain(v or ""), "bold" if i in row.best else "") for i, v in enumerate(row.values)]
        grid.add_row(row.label, *cells)
    return grid


def write_page(found: Comparison, path: Path) -> None:
    """Write the comparison as one HTML file.

    Raises:
        DeployError: the file cannot be written.
    """
    page = environment().get_template("compare.html").render(found=found)
    try:
        write_text(path, page)
    except OSError as error:
        raise DeployError(f"-o {path}: cannot be written ({error.strerror}); choose another file") from error
