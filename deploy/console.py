"""Results as tables that a person reads in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from deploy.errors import Refusal
from deploy.results import RunResult, TargetStatus

if TYPE_CHECKING:
    from converters.coverage import Row
    from deploy.nir_files import GraphResult

_SHOWN = 20


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


# Where the number stands in report.json, what a person calls it, how it is written.
_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("samples", "evaluation samples", _count),
    ("ann.accuracy", "accuracy, original network", _percent),
    ("snn.accuracy", "accuracy, spiking network", _percent),
    ("agreement", "same prediction as the original", _percent),
    ("snn.output_cosine", "cosine to the original's output", "{:.5f}".format),
    ("exactness.compared_spikes", "spikes compared with the closed form", _count),
    ("exactness.mismatches", "of which differ", _count),
    ("saturations", "saturated potentials, closed form", _count),
    ("exactness.saturations", "saturated potentials, samples stepped", _count),
    ("low_variance_rows", "rows of too small a variance", _count),
    ("latency_steps", "time steps per sample", _count),
    ("spikes.total_per_sample", "spikes per sample", _count),
    ("spikes.per_neuron", "spikes per neuron", "{:.3f}".format),
    ("seconds.convert", "time to convert", _seconds),
    ("seconds.ann_per_sample", "time per sample, original network", _seconds),
    ("seconds.closed_form_per_sample", "time per sample, closed form", _seconds),
    ("seconds.target_per_sample", "time per sample, target", _seconds),
)


_EVALUATION_ROWS = (
    *_ROWS[:5],
    ("snn.relative_error", "relative error of the outputs", "{:.4f}".format),
    *(row for row in _ROWS if row[0].startswith("exactness") or row[0] == "saturations"),
    ("spikes.total_per_sample", "spikes per sample", _count),
    ("seconds.original_per_sample", "core time per sample, original network", _seconds),
    ("seconds.target_per_sample", "core time per sample, spiking network", _seconds),
)


def summary(report: Mapping[str, Any]) -> Table:
    """The main numbers of a report.json; those it lacks are left out."""
    what = [
        str(report.get("model", "")),
        str(report.get("method", "")),
        f"{report.get('precision', '')} point",
        f"T = {report.get('timesteps', '?')}",
        f"B = {report.get('base', '?')}",
        str(report.get("target", "")),
    ]
    table = Table(title=", ".join(part for part in what if part), title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for path, label, write in _ROWS:
        value = lookup(report, path)
        if value is not None:
            table.add_row(label, write(value))
    return table


def corrections(shares: Mapping[str, float]) -> str:
    """What bias correction did, from the share of its squared error that each layer lost by it."""
    if not shares:
        return "Biases stay as they were trained: held-back calibration samples gain nothing by correcting them."
    most = max(shares, key=shares.__getitem__)
    return f"Biases of {len(shares)} layers are corrected; {most} gained most: {shares[most]:.1%} of its squared error went."


def codes_table(codes: Sequence[Mapping[str, Any]]) -> Table:
    """How each firing layer is coded, and its part of the outputs' expected error before and after that was chosen.

    Second spikes end at a step that features have each for themselves: the least and the largest.
    """
    table = Table(title="codes, and what choosing them gained", title_justify="left", show_footer=True)
    total = {key: sum(code[key] for code in codes) for key in ("error_before", "error_after", "spikes_per_sample")}
    table.add_column("layer", "all together")
    for column, footer in (
        ("B", ""), ("spikes", ""), ("second until", ""), ("scale", ""),
        ("error, plain code", _percent(total["error_before"])),
        ("error, chosen", _percent(total["error_after"])), ("spikes per sample", _count(total["spikes_per_sample"])),
    ):  # fmt: skip
        table.add_column(column, footer, justify="right")
    for code in codes:
        errors = (_percent(code["error_before"]), _percent(code["error_after"]))
        latest = "{0}–{2}".format(*code["latest"]) if "latest" in code else ""
        of = (f"{code['base']:g}", str(code["spikes"]), latest, f"{code['scale']:g}")
        table.add_row(code["name"], *of, *errors, _count(code["spikes_per_sample"]))
    return table


def evaluation_table(result: Mapping[str, Any]) -> Table:
    """The numbers of an evaluation.json."""
    table = Table(title=f"{result['data']}, {result['target']}", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for path, label, write in _EVALUATION_ROWS:
        value = lookup(result, path)
        if value is not None:
            table.add_row(label, write(value))
    return table


def coverage_table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Families of models and what became of each."""
    title = "a small variant of each, random weights: relative error of the outputs"
    table = Table("family", "for example", "state", *columns, "remark", title=title, title_justify="left")
    for row in rows:
        errors = (f"{row.errors[name]:.3f}" if name in row.errors else "" for name in columns)
        table.add_row(row.family, row.example, row.state, *errors, row.reason)
    return table


def lookup(report: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None where the report has none."""
    value: Any = report
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def targets_table(targets: Sequence[TargetStatus]) -> Table:
    """What each target is, and whether this machine can use it."""
    table = Table("target", "what it is", "here")
    for target in targets:
        table.add_row(target.name, target.summary, "available" if target.missing is None else target.missing)
    return table


_SWEPT = ("45nm-additions", "45nm-memory", "loihi1")
"""Energies that fit beside the rest on a terminal: from what is least counted to most."""


def budget_note(found: Mapping[str, Any]) -> str:
    """What --budget chose, and how sure that is."""
    point, samples = found["points"][found["chosen"]], found["samples"]
    text = (
        f"Chosen (▶): --timesteps {point['timesteps']} --spikes {point['spikes']}, the least {found['cheapest']} within "
        f"--budget {found['limit']}, judged on {samples:,} held-back calibration samples: "
    )
    if found["measure"] == "output_cosine":
        return f"{text}cosine {point['output_cosine']:.5f}."
    loss, error = (100 * point[key] for key in ("expected_loss", "expected_loss_error"))
    changed = round(samples * (1 - point["agreement"]))
    text += f"{changed} predictions change, which costs {loss:.2f} ± {error:.2f} points of accuracy."
    if found["largest_loss"] < 100 / samples:
        text += (
            f" One sample can cost {100 / samples:.2g} points, more than the limit: with more --calib data it is surer."
        )
    return text


def sweep_table(content: Mapping[str, Any]) -> Table:
    """Every point of a sweep or a search, with the settings that differ.

    A dot marks the Pareto front of a cost, an arrow what a search chose. The page has more.
    """
    points = content["points"]
    done = [point for point in points if "failed" not in point]
    others = ("method", "precision", "spikes", "tokens")
    settings = ["timesteps", "base", *(key for key in others if len({point.get(key) for point in points}) > 1)]
    worth = "accuracy" if any("accuracy" in point for point in done) else "expected_loss"
    wanted = (worth, "agreement", "output_cosine", *(() if "chosen" in content else ("relative_error",)))
    shown = [key for key in wanted if any(key in p for p in done)]
    conventions = (content["convention"],) if "chosen" in content else _SWEPT
    energies = [name for name in conventions if done and name in done[0]["energy"]]
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for key in settings:
        table.add_column({"timesteps": "T", "base": "B"}.get(key, key), no_wrap=True)
    headings = [key.replace("_", " ") for key in shown] + ["steps"] + [f"{name}, µJ" for name in energies]
    for heading in headings:
        table.add_column(heading, justify="right")
    for number, point in enumerate(points):
        auto = point["base"] == "auto" and "chosen_base" in point
        values = point | {"base": f"{point['chosen_base']} (auto)"} if auto else point
        row = [str(values.get(key, "")) for key in settings]
        if number == content.get("chosen"):
            row[0] = f"▶ {row[0]}"
        if "failed" in point:
            table.add_row(*row, point["failed"])
            continue
        row += [_quality(point, key) for key in shown]
        costs = {"latency": _count(point["latency_steps"])} | {
            name: f"{point['energy'][name]['snn']:.3g}" for name in energies
        }
        row += [f"{'● ' if number in content['fronts'].get(name, ()) else ''}{text}" for name, text in costs.items()]
        table.add_row(*row)
    return table


def _quality(point: Mapping[str, Any], key: str) -> str:
    if key == "expected_loss":
        return f"{100 * point[key]:.2f} ± {_percent(point['expected_loss_error'])}"
    return _percent(point[key]) if key in ("accuracy", "agreement") else f"{point[key]:.4f}"


def outputs_table(result: RunResult) -> Table:
    """Predictions of the first samples, or the sizes of outputs that are no class scores."""
    table = Table("sample", "prediction", "label")
    for index, output in enumerate(result.outputs[:_SHOWN]):
        label = "" if result.labels is None else _class(int(result.labels[index]), result.class_names)
        if output.ndim == 1:
            prediction = _class(int(output.argmax()), result.class_names)
        else:
            prediction = f"{'x'.join(map(str, output.shape))}, norm {float(np.linalg.norm(output)):.4g}"
        table.add_row(str(index), prediction, label)
    return table


def measured_table(measured: Mapping[str, Any]) -> Table:
    """What a target measured, nested names joined by dots."""
    table = Table(show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in _flat(measured):
        table.add_row(name.replace("_", " "), f"{value:.6g}" if isinstance(value, float) else str(value))
    return table


def _flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs = ((f"{prefix}{key}", item) for key, item in value.items())
    return [p for key, item in pairs for p in (_flat(item, f"{key}.") if isinstance(item, Mapping) else [(key, item)])]


def graph_tables(result: GraphResult) -> list[Table | str]:
    """A standard NIR graph's outputs, its rounding errors in fixed point, and how it was stepped."""
    run, how = result.run, result.how
    summed = "decoded" if (result.weights != 1).any() else "sum over time"
    table = Table("output", "sample", "shape", summed, "prediction", "label")
    for name, output in run.traces.outputs.items():
        for sample, y in enumerate(output[:_SHOWN]):
            total = np.tensordot(result.weights, y, 1)
            prediction = str(int(total.argmax())) if total.ndim == 1 and total.size > 1 else ""
            label = "" if result.labels is None else str(int(result.labels[sample]))
            table.add_row(name, str(sample), "×".join(map(str, y.shape)), f"{total.sum():.6g}", prediction, label)
    shown: list[Table | str] = [table]
    if run.roundings:
        errors = Table("node", "parameter", "largest rounding error", title="Formats of the chip", title_justify="left")
        for rounding in sorted(run.roundings, key=lambda r: -r.error)[:_SHOWN]:
            errors.add_row(rounding.node, rounding.parameter, f"{100 * rounding.error:.3g} %")
        shown.append(errors)
    spikes = sum(int(s.sum()) for s in run.traces.spikes.values())
    samples = len(next(iter(run.traces.outputs.values())))
    numbers = f"{how.precision} point" if run.differing is None else "the chip's integers"
    shown.append(
        f"{samples} samples of {run.steps} steps, dt = {how.dt:g}, {how.method}, reset: {how.reset}, {numbers}; "
        f"per sample {run.seconds_per_sample:.3g} s, {spikes / samples:,.0f} spikes"
    )
    if run.differing is not None:
        shown.append(f"spikes of the simulator that are not those of our own integers: {run.differing:,}")
    if run.deviation:
        apart = ", ".join(f"{name} {100 * d:.3g} %" for name, d in run.deviation.items())
        clipped = sum(run.traces.overflows.values())
        shown.append(
            f"sums over time, difference to floating point: {apart}; values that did not fit their width: {clipped:,}"
        )
    return shown


def refusals_table(refusals: Sequence[Refusal]) -> Table:
    """Everything that keeps a graph from running."""
    table = Table("node", "type", "why it cannot run")
    for refusal in refusals:
        table.add_row(refusal.node, refusal.kind, refusal.reason)
    return table


def _class(number: int, names: Sequence[str]) -> str:
    return f"{number} {names[number]}" if number < len(names) else str(number)
