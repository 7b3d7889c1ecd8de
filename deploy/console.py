"""Results as tables and lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from deploy.errors import Refusal
from deploy.results import RunResult, TargetStatus
from deploy.schema import (
    LATENCY,
    NOT_STEPPED,
    BudgetSearch,
    Caution,
    Code,
    Evaluation,
    Failed,
    Measured,
    Overlap,
    Point,
    Report,
    Search,
)
from deploy.shares import Share, share_of

if TYPE_CHECKING:
    from converters.coverage import Row
    from deploy.nir_files import GraphResult

_SHOWN = 20


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _few(value: float) -> str:
    """Write a mean; three digits below 10, so that one far below 1 is not shown as 0."""
    return f"{value:.3g}" if value < 10 else _count(value)


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _intervals(found: Sequence[Overlap]) -> str:
    return "; ".join(
        f"{_count(o.interval)}" + (f", {o.state_sets} sets of state" if o.state_sets > 1 else "") for o in found
    )


# Label, how to read the number from a report, how to write it.
_ROWS: tuple[tuple[str, Callable[[Report], Any], Callable[[Any], str]], ...] = (
    ("evaluation samples", lambda r: r.samples, _count),
    ("accuracy, original network", lambda r: share_of(r.ann.accuracy, r.samples), str),
    ("accuracy, spiking network", lambda r: share_of(r.snn.accuracy, r.samples), str),
    ("same prediction as the original", lambda r: share_of(r.agreement, r.samples), str),
    ("cosine to the original's output", lambda r: r.snn.output_cosine, "{:.5f}".format),
    ("spikes compared with the closed form", lambda r: NOT_STEPPED if r.target == "closed-form" else None, str),
    ("spikes compared with the closed form", lambda r: r.compared and r.compared.compared_spikes, _count),
    ("of which differ", lambda r: r.compared and r.compared.mismatches, _count),
    ("saturated potentials, closed form", lambda r: r.saturations, _count),
    ("saturated potentials, samples stepped", lambda r: r.compared and r.compared.saturations, _count),
    ("rows of too small a variance", lambda r: r.low_variance_rows, _count),
    ("time steps per sample", lambda r: r.latency_steps, _count),
    ("time steps between samples", lambda r: r.overlap or None, _intervals),
    ("spikes per sample", lambda r: r.spikes.total_per_sample, _count),
    ("spikes per neuron", lambda r: r.spikes.per_neuron, "{:.3f}".format),
    ("time to convert", lambda r: r.seconds.convert, _seconds),
    ("time per sample, original network", lambda r: r.seconds.ann_per_sample, _seconds),
    ("time per sample, closed form", lambda r: r.seconds.closed_form_per_sample, _seconds),
    ("time per sample, target", lambda r: r.seconds.target_per_sample, _seconds),
)
_EVALUATION_ROWS: tuple[tuple[str, Callable[[Evaluation], Any], Callable[[Any], str]], ...] = (
    ("evaluation samples", lambda e: e.samples, _count),
    ("accuracy, original network", lambda e: share_of(e.ann.accuracy, e.samples), str),
    ("accuracy, spiking network", lambda e: share_of(e.snn.accuracy, e.samples), str),
    ("same prediction as the original", lambda e: share_of(e.agreement, e.samples), str),
    ("cosine to the original's output", lambda e: e.snn.output_cosine, "{:.5f}".format),
    ("relative error of the outputs", lambda e: e.snn.relative_error, "{:.4f}".format),
    ("tokens predicted", lambda e: e.language and e.language.tokens, _count),
    ("perplexity, original network", lambda e: e.language and e.language.original_perplexity, "{:.3f}".format),
    ("perplexity, spiking network", lambda e: e.language and e.language.spiking_perplexity, "{:.3f}".format),
    ("same next token as the original", lambda e: e.language and e.language.next_token_agreement, "{:.2%}".format),
    ("divergence from the original, nats a token", lambda e: e.language and e.language.divergence, "{:.5f}".format),
    ("spikes compared with the closed form", lambda e: e.exactness and e.exactness.compared_spikes, _count),
    ("of which differ", lambda e: e.exactness and e.exactness.mismatches, _count),
    ("saturated potentials, closed form", lambda e: e.saturations, _count),
    ("time steps between samples", lambda e: (e.overlap,) if e.overlap else None, _intervals),
    ("spikes per sample", lambda e: e.spikes.total_per_sample, _count),
    ("core time per sample, original network", lambda e: e.seconds.original_per_sample, _seconds),
    ("core time per sample, spiking network", lambda e: e.seconds.target_per_sample, _seconds),
)


def summary(report: Report) -> Table:
    """The main numbers of a report; those it lacks are left out."""
    what = (
        report.model, report.method, f"{report.precision} point", f"T = {report.timesteps_in_words}",
        f"B = {report.base_in_words}", report.target,
    )  # fmt: skip
    return _numbers(", ".join(what), report, _ROWS)


def evaluation_table(result: Evaluation) -> Table:
    """The main numbers of an evaluation; those it lacks are left out."""
    return _numbers(f"{result.data}, {result.target}", result, _EVALUATION_ROWS)


def _numbers(title: str, content: Any, rows: Sequence[tuple[str, Callable[[Any], Any], Callable[[Any], str]]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for label, read, write in rows:
        value = read(content)
        if value is not None:
            table.add_row(label, write(value))
    return table


def corrections(shares: Mapping[str, float]) -> str:
    """What bias correction did, in words; ``shares``: by layer, the share of its squared error that it removed."""
    if not shares:
        return "Biases stay as they were trained: held-back calibration samples gain nothing by correcting them."
    most = max(shares, key=shares.__getitem__)
    return f"Biases of {len(shares)} layers are corrected; {most} gained most: {shares[most]:.1%} of its squared error went."


def codes_table(codes: Sequence[Code]) -> Table:
    """How each firing layer is coded, and its share of the outputs' squared error with the plain and the chosen code.

    Column "second until": the step after which a feature sends no second spikes, smallest and largest of the features.
    """
    table = Table(title="codes, and what choosing them gained", title_justify="left", show_footer=True)
    table.add_column("layer", "all together")
    for column, footer in (
        ("T", ""), ("B", ""), ("spikes", ""), ("second until", ""), ("scale", ""),
        ("error, plain code", _percent(sum(code.error_before for code in codes))),
        ("error, chosen", _percent(sum(code.error_after for code in codes))),
        ("spikes per sample", _count(sum(code.spikes_per_sample for code in codes))),
    ):  # fmt: skip
        table.add_column(column, footer, justify="right")
    for code in codes:
        latest = "" if code.latest is None else f"{code.latest[0]}–{code.latest[2]}"
        table.add_row(
            code.name, "" if code.timesteps is None else str(code.timesteps), f"{code.base:g}", str(code.spikes),
            latest, f"{code.scale:g}", _percent(code.error_before), _percent(code.error_after), _count(code.spikes_per_sample),
        )  # fmt: skip
    return table


def coverage_table(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Model families, whether each converts, and those relative errors of its outputs that ``columns`` names."""
    title = "a small variant of each, random weights: relative error of the outputs"
    table = Table("family", "for example", "state", *columns, "remark", title=title, title_justify="left")
    for row in rows:
        errors = (f"{row.errors[name]:.3f}" if name in row.errors else "" for name in columns)
        table.add_row(row.family, row.example, row.state, *errors, row.reason)
    return table


def targets_table(targets: Sequence[TargetStatus]) -> Table:
    """What each target is, and whether this machine can use it."""
    table = Table("target", "what it is", "here")
    for target in targets:
        table.add_row(target.name, target.summary, "available" if target.missing is None else target.missing)
    return table


_SWEPT = ("45nm-additions", "45nm-memory", "loihi1")
"""Energy conventions that a sweep's table has room for, from the one that counts least to the one that counts most."""


def budget_note(found: BudgetSearch) -> str:
    """The code that --budget chose, and the uncertainty of its loss, in words."""
    point, samples = found.points[found.chosen], found.samples
    assert isinstance(point, Measured)
    text = (
        f"Chosen (▶): --timesteps {point.timesteps} --spikes {point.spikes}, the least {found.cheapest} within "
        f"--budget {found.limit}, judged on {samples:,} held-back calibration samples: "
    )
    if found.measure == "output_cosine":
        return f"{text}cosine {point.output_cosine:.5f}."
    loss, error, agreement = point.expected_loss or 0.0, point.expected_loss_error or 0.0, point.agreement or 0.0
    changed = round(samples * (1 - agreement))
    text += f"{changed} predictions change, which costs {100 * loss:.2f} ± {100 * error:.2f} points of accuracy."
    if found.largest_loss < 100 / samples:
        text += (
            f" One sample can cost {100 / samples:.2g} points, more than the limit: with more --calib data it is surer."
        )
    return text


def sweep_table(search: Search) -> Table:
    """Every point of a sweep or a budget search, with T, B and the other settings that differ.

    A dot marks points on the Pareto front of a cost, an arrow the point that a search chose.
    """
    from deploy.energy.tables import number  # imports PyTorch, which runs of NIR files do not need

    points, within = search.points, search if isinstance(search, BudgetSearch) else None
    done = [point for point in points if isinstance(point, Measured)]
    others = ("method", "precision", "spikes", "tokens")
    settings = ["timesteps", "base", *(key for key in others if len({getattr(point, key) for point in points}) > 1)]
    worth = "accuracy" if any(point.accuracy is not None for point in done) else "expected_loss"
    wanted = (worth, "agreement", "perplexity", "output_cosine", *(() if within else ("relative_error",)))
    shown = [key for key in wanted if any(getattr(point, key) is not None for point in done)]
    conventions = (within.convention,) if within else _SWEPT
    costs = [LATENCY, *(name for name in conventions if done and name in done[0].energy)]
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for key in settings:
        table.add_column({"timesteps": "T", "base": "B"}.get(key, key), no_wrap=True)
    titles = {name: done[0].energy[name].title for name in costs[1:]}
    headings = [key.replace("_", " ") for key in shown] + ["steps"] + [f"{titles[name]}, µJ" for name in costs[1:]]
    for heading in headings:
        table.add_column(heading, justify="right")
    for index, point in enumerate(points):
        row = [_setting(point, key) for key in settings]
        if within and index == within.chosen:
            row[0] = f"▶ {row[0]}"
        if isinstance(point, Failed):
            table.add_row(*row, point.failed)
            continue
        row += [_quality(point, key) for key in shown]
        for name in costs:
            cost = _count(point.cost(name)) if name == LATENCY else number(point.cost(name))
            row.append(f"●\u00a0{cost}" if index in search.fronts.get(name, ()) else cost)
        table.add_row(*row)
    counted = [Share(p.accuracy, p.samples) for p in done if p.accuracy is not None]
    if counted:
        least = min(share.samples for share in counted)
        reach = max(50 * (share.interval[1] - share.interval[0]) for share in counted)
        table.caption = f"accuracy on {least:,} samples: 95 % intervals of up to ± {reach:.1f} points"
        table.caption_justify = "left"
    return table


def _setting(point: Point, key: str) -> str:
    """A setting of a point as text; for base "auto" the chosen base."""
    if key == "base" and isinstance(point, Measured) and point.base == "auto":
        return f"{point.chosen_base} (auto)"
    value = getattr(point, key)
    return "" if value is None else str(value)


def _quality(point: Measured, key: str) -> str:
    value = getattr(point, key)
    if value is None:
        return ""
    if key == "expected_loss":
        return f"{100 * value:.2f} ± {_percent(point.expected_loss_error or 0.0)}"
    return _percent(value) if key in ("accuracy", "agreement") else f"{value:.4f}"


def outputs_table(result: RunResult) -> Table:
    """Predicted classes of the first samples; for outputs that are not vectors their shape and norm."""
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
    """A target's own measurements; nested names are joined by dots."""
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
    if result.repairs:
        done = "; ".join(f"{r.node} ({r.kind}): {r.done}" for r in result.repairs[:_SHOWN])
        more = f"; and {len(result.repairs) - _SHOWN} more" if len(result.repairs) > _SHOWN else ""
        shown.append(f"Repaired on reading: {done}{more}. `deploy check FILE --repair -o FIXED` saves it.")
    spikes = sum(int(s.sum()) for s in run.traces.spikes.values())
    samples = len(next(iter(run.traces.outputs.values())))
    numbers = f"{how.precision} point" if run.differing is None else "the chip's integers"
    shown.append(
        f"{samples} samples of {run.steps} steps, dt = {how.dt:g}, {how.method}, reset: {how.reset}, {numbers}; "
        f"per sample {run.seconds_per_sample:.3g} s, {_few(spikes / samples)} spikes"
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


def graph_content(result: GraphResult) -> dict[str, Any]:
    """A standard graph's run for `--json`, with outputs summed over time, each step times its ``result.weights``."""
    run, how = result.run, result.how
    samples = len(next(iter(run.traces.outputs.values())))
    return {
        "samples": samples,
        "steps": run.steps,
        "dt": how.dt,
        "method": how.method,
        "reset": how.reset,
        "precision": how.precision,
        "outputs": {name: np.tensordot(y, result.weights, (1, 0)) for name, y in run.traces.outputs.items()},
        "labels": result.labels,
        "spikes_per_sample": sum(int(s.sum()) for s in run.traces.spikes.values()) / samples,
        "seconds_per_sample": run.seconds_per_sample,
        "roundings": run.roundings,
        "differing": run.differing,
        "deviation": run.deviation,
        "repairs": result.repairs,
        "warnings": result.cautions,
    }


def cautions_shown(cautions: Sequence[Caution]) -> list[str]:
    """One line for each warning, with its remedy; commands print them last."""
    return [f"warning: {caution.text}. Remedy: {caution.remedy}." for caution in cautions]


def refusals_table(refusals: Sequence[Refusal]) -> Table:
    """Every node that keeps a graph from running, and why."""
    table = Table("node", "type", "why it cannot run")
    for refusal in refusals:
        table.add_row(refusal.node, refusal.kind, refusal.reason)
    return table


def _class(number: int, names: Sequence[str]) -> str:
    return f"{number} {names[number]}" if number < len(names) else str(number)
