"""Energy of a report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.table import Table

from deploy.schema import BreakEven, Cost, FlopsFormula, Layer, NeuroBench, Report

QUANTITIES = {"spikes_per_neuron": "spikes per neuron", "timesteps": "time steps", "tokens": "tokens"}
FORMULA = "FLOPs times firing rate"
"""Title of the formula of SIT-conversion and DIET-SNN (:mod:`deploy.measure.flops`), which prices no counted events."""
LAYER_EVENTS = ("spikes", "synaptic_operations", "potential_updates", "compares", "macs")


def energy_tables(report: Report, layers: bool = False) -> Iterator[Table]:
    """Microjoules by convention, break-evens, events, NeuroBench's metrics; with ``layers`` also events by layer."""
    yield _conventions(report.energy, report.flops_formula)
    yield _break_even(report.energy)
    yield _events(report.events)
    if report.neurobench is not None:
        yield _neurobench(report.neurobench)
    if layers:
        yield _layers(report.layers)


def cheaper(found: BreakEven) -> str:
    """A break-even in words: always, never, below 0.3, above 120."""
    return found.cheaper if found.at is None else f"{found.cheaper} {number(found.at)}"


def number(value: float) -> str:
    """Three significant digits, whole thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _conventions(energy: Mapping[str, Cost], formula: FlopsFormula | None) -> Table:
    table = Table(title="Energy of one sample, microjoules", title_justify="left")
    table.add_column("convention")
    for heading in ("spiking", "original FP32", "original INT8", "of FP32", "of INT8"):
        table.add_column(heading, justify="right")
    for cost in energy.values():
        originals = [ann for _, ann in cost.ann.items()]
        table.add_row(cost.title, *_beside(cost.snn_microjoules, [ann.microjoules for ann in originals]))
        if cost.snn_microjoules_with_omitted is not None:
            every = [ann.everything for ann in originals]
            table.add_row("  with what it omits", *_beside(cost.snn_microjoules_with_omitted, every))
    if formula is not None:
        stated = (formula.ann_microjoules, formula.ann_int8_microjoules)
        omitted = (formula.ann_omitted_microjoules, formula.ann_int8_omitted_microjoules)
        table.add_row(FORMULA, *_beside(formula.snn_microjoules, stated))
        if formula.snn_omitted_microjoules:
            every = [a + b for a, b in zip(stated, omitted, strict=True)]
            table.add_row(
                "  with what it omits", *_beside(formula.snn_microjoules + formula.snn_omitted_microjoules, every)
            )
    return table


def _beside(spiking: float, original: Sequence[float]) -> list[str]:
    """The spiking network's energy, the original's, and the ratios of both; "" for ratios to 0."""
    ratios = [f"{spiking / joules:.2f} ×" if joules else "" for joules in original]
    return [number(spiking), *map(number, original), *ratios]


def _break_even(energy: Mapping[str, Cost]) -> Table:
    table = Table(
        title="When the spiking network is cheaper, all else equal and everything counted", title_justify="left"
    )
    table.add_column("convention")
    table.add_column("than")
    shown = {
        quantity: found.now
        for cost in energy.values()
        for _, ann in cost.ann.items()
        for quantity, found in ann.break_even.items()
    }
    for quantity, now in shown.items():
        table.add_column(f"{QUANTITIES.get(quantity, quantity)}\n(now {number(now)})")
    for cost in energy.values():
        for name, ann in cost.ann.items():
            known = (ann.break_even.get(quantity) for quantity in shown)
            table.add_row(cost.title, name.upper(), *("" if found is None else cheaper(found) for found in known))
    return table


def _events(events: Mapping[str, float]) -> Table:
    from deploy.energy.events import EVENTS

    table = Table("event", "per sample", "what is counted", title="Events", title_justify="left")
    table.columns[1].justify = "right"
    for event, meaning in EVENTS.items():
        if event in events:
            table.add_row(event.replace("_", " "), f"{events[event]:,.0f}", meaning)
    return table


def _neurobench(metrics: NeuroBench) -> Table:
    table = Table("NeuroBench metric", "value", title_justify="left")
    table.columns[1].justify = "right"
    operations = metrics.synaptic_operations
    rows = {
        "Footprint": metrics.footprint,
        "ConnectionSparsity": metrics.connection_sparsity,
        "ActivationSparsity": metrics.activation_sparsity,
        "SynapticOperations Effective_MACs": operations.effective_macs,
        "SynapticOperations Effective_ACs": operations.effective_acs,
        "SynapticOperations Dense": operations.dense,
        "MembraneUpdates": metrics.membrane_updates,
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, f"{value:.4f}" if 0 < value < 1 else f"{value:,.0f}")
    return table


def _layers(layers: Sequence[Layer]) -> Table:
    """Events by layer, in at most 110 columns: long names fold, numbers never do."""
    table = Table(title="Events by layer, per sample", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    for event in LAYER_EVENTS:
        table.add_column(event.replace("_", "\n"), justify="right", no_wrap=True)
    for layer in layers:
        row = (f"{layer.events[event]:,.0f}" if event in layer.events else "" for event in LAYER_EVENTS)
        table.add_row(layer.name, *row)
    return table
