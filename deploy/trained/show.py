"""A report of `deploy trained` in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from deploy.trained.count import OTHERS
from deploy.trained.report import EnergyReport, Run, TrainedReport
from processes.events import EVENTS


def shown(report: TrainedReport) -> Iterator[Table | str]:
    """Tables and sentences of a report: the comparison with the original, runs, Lava, and energy."""
    equal = report.compared_spikes - report.differing_from_original
    yield (
        f"{report.model}: {report.neurons:,} neurons, {report.frames} frames. {equal:,} of {report.compared_spikes:,} spikes "
        f"are the model's own in float64 ({report.changed_by_float32:,} of its own change in float32). Its output is the "
        f"{report.readout} of its steps' outputs"
    )
    if report.silent:
        more = ", ..." if len(report.silent) > 3 else ""
        yield (
            f"{_several(len(report.silent), 'population')} never fired in what was compared: "
            f"{', '.join(report.silent[:3])}{more}; "
            "are these the trained weights, and pixels as the model takes them?"
        )
    runs = Table("", "Samples", "Accuracy", "Same prediction", "Spikes a sample", "Seconds a sample")
    own = "" if report.original_accuracy is None else f"{report.original_accuracy:.2%}"
    runs.add_row("the model itself, float32", f"{report.floating.samples:,}", own, "", "", "")
    for name, run in (("floating point", report.floating), ("fixed point", report.fixed)):
        runs.add_row(name, *_cells(run))
    yield runs
    yield f"Fixed point changes {report.spikes_changed:.2%} of the spikes; largest rounding {report.largest_rounding:.2%}"
    if report.lava is not None:
        lava = report.lava
        yield (
            f"Lava, fixed point, {_several(lava.samples, 'sample')}: {lava.differing:,} of {lava.compared:,} spikes, "
            "potentials and outputs differ from the stepped run"
        )
    yield f"Standard NIR: {report.standard_nir}"
    yield from energy_shown(report)


def energy_shown(report: EnergyReport) -> Iterator[Table | str]:
    """Tables and sentences of energy: every convention, the published formula, what it omits, NeuroBench's metrics."""
    table = Table("Convention", "µJ a sample", "Left out, at its prices", title="Energy, from counted events")
    formula = report.formula
    table.add_row(
        "published formula: SOPs × 0.9 pJ + MACs of the first layer × 4.6 pJ", f"{formula.microjoules:.4g}", ""
    )
    for energy in report.energy:
        omitted = f"{energy.omitted_microjoules:.4g}" if energy.omitted_microjoules else ""
        table.add_row(energy.title, f"{energy.microjoules:.4g}", omitted)
    yield table
    yield (
        f"The formula has {formula.operations:,.0f} SOPs (rate × T × MACs, those on padding and on weights of zero included); "
        f"{formula.counted_operations:,.0f} additions were counted. It has {formula.first_macs:,} MACs of the first layer."
    )
    left = Table("What the formula leaves out", "a sample", "in words")
    for event, count in formula.left_out.items():
        left.add_row(event.replace("_", " "), f"{count:,.0f}", (OTHERS | EVENTS).get(event, ""))
    yield left
    if report.neurobench is not None:
        metrics = Table("NeuroBench metric", "value")
        for name, value in report.neurobench.model_dump().items():
            parts = {f"{name} {part}": n for part, n in value.items()} if isinstance(value, dict) else {name: value}
            for label, number in parts.items():
                metrics.add_row(label, "" if number is None else f"{number:,.4g}" if number < 1 else f"{number:,.0f}")
        yield metrics


def layers_shown(report: EnergyReport) -> Table:
    """Table of rates and operations, a row for each population, layer and product of spikes."""
    table = Table("Layer", "Kind", "Size", "Spikes per neuron and step", "Additions a sample", "MACs a sample")
    for layer in report.layers:
        rate = "" if layer.rate is None else f"{layer.rate:.4f}"
        done = (f"{count:,.0f}" if count else "" for count in (layer.synaptic_operations, layer.macs))
        table.add_row(layer.name, layer.kind, f"{layer.size:,}", rate, *done)
    return table


def _cells(run: Run) -> tuple[str, ...]:
    accuracy = "" if run.accuracy is None else f"{run.accuracy:.2%}"
    return f"{run.samples:,}", accuracy, f"{run.agreement:.2%}", f"{run.spikes:,.0f}", f"{run.seconds_per_sample:.3g}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
