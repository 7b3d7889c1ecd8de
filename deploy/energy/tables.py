"""Energy as tables that a person reads in a terminal, from report.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

QUANTITIES = {"spikes_per_neuron": "spikes per neuron", "timesteps": "time steps", "tokens": "tokens"}
ARITHMETIC = {"fp32": "FP32", "int8": "INT8"}
LAYER_EVENTS = ("spikes", "synaptic_operations", "potential_updates", "compares", "macs")


def energy_tables(report: Mapping[str, Any], layers: bool = False) -> Iterator[Table]:
    """Joules by convention, break-evens, events, NeuroBench's metrics; with ``layers`` also events by layer."""
    yield _conventions(report["energy"])
    yield _break_even(report["energy"])
    yield _events(report["events"])
    yield _neurobench(report["neurobench"])
    if layers:
        yield _layers(report["layers"])


def cheaper(found: Mapping[str, Any]) -> str:
    """A break-even in words: always, never, below 0.3, above 120."""
    return f"{found['cheaper']} {number(found['at'])}" if "at" in found else str(found["cheaper"])


def number(value: float) -> str:
    """Three significant digits, whole thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _conventions(energy: Mapping[str, Any]) -> Table:
    table = Table(title="Energy of one sample, microjoules", title_justify="left")
    table.add_column("convention")
    for heading in ("spiking", "original FP32", "original INT8", "of FP32", "of INT8"):
        table.add_column(heading, justify="right")
    for convention in energy.values():
        for title, key in ((convention["title"], "microjoules"), ("  with what it omits", "microjoules_with_omitted")):
            spiking = convention.get(f"snn_{key}")
            if spiking is not None:
                original = [
                    convention["ann"][name].get(key, convention["ann"][name]["microjoules"]) for name in ARITHMETIC
                ]
                ratios = [f"{spiking / joules:.2f} ×" for joules in original]
                table.add_row(title, number(spiking), *map(number, original), *ratios)
    return table


def _break_even(energy: Mapping[str, Any]) -> Table:
    table = Table(
        title="When the spiking network is cheaper, all else equal and everything counted", title_justify="left"
    )
    table.add_column("convention")
    table.add_column("than")
    shown = {
        quantity: found["now"]
        for convention in energy.values()
        for ann in convention["ann"].values()
        for quantity, found in ann["break_even"].items()
    }
    for quantity, now in shown.items():
        table.add_column(f"{QUANTITIES[quantity]}\n(now {number(now)})")
    for convention in energy.values():
        for name, ann in convention["ann"].items():
            table.add_row(
                convention["title"], ARITHMETIC[name], *(cheaper(ann["break_even"][quantity]) for quantity in shown)
            )
    return table


def _events(events: Mapping[str, float]) -> Table:
    from deploy.energy.events import EVENTS

    table = Table("event", "per sample", "what is counted", title="Events", title_justify="left")
    table.columns[1].justify = "right"
    for event, meaning in EVENTS.items():
        table.add_row(event.replace("_", " "), f"{events[event]:,.0f}", meaning)
    return table


def _neurobench(metrics: Mapping[str, Any]) -> Table:
    table = Table("NeuroBench metric", "value", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in metrics.items():
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, entry in parts:
            table.add_row(f"{name} {part}".strip(), f"{entry:.4f}" if 0 < entry < 1 else f"{entry:,.0f}")
    return table


def _layers(layers: list[Mapping[str, Any]]) -> Table:
    table = Table("layer", "operation", title="Events by layer, per sample", title_justify="left")
    for event in LAYER_EVENTS:
        table.add_column(event.replace("_", " "), justify="right")
    for layer in layers:
        counted = layer.get("events", {})
        row = (f"{counted[event]:,.0f}" if event in counted else "" for event in LAYER_EVENTS)
        table.add_row(layer["name"], layer["op"], *row)
    return table
