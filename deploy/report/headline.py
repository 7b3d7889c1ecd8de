"""The numbers at the top of the page, and how numbers are written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NBSP = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Tile:
    """A headline number."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


def tiles(report: Mapping[str, Any]) -> list[Tile]:
    """Headline numbers; those that were not measured have no tile."""
    found: list[Tile] = []
    ann, snn = report.get("ann", {}).get("accuracy"), report.get("snn", {})
    if "accuracy" in snn:
        points = None if ann is None else signed(100 * (snn["accuracy"] - ann))
        note = "" if ann is None else f"original {percent(ann)}, {points} points"
        found.append(Tile("Accuracy", percent(snn["accuracy"]), note))
    if "agreement" in report:
        found.append(Tile("Agreement", percent(report["agreement"]), "same prediction as the original"))
    if "output_cosine" in snn:
        found.append(Tile("Cosine of outputs", f"{snn['output_cosine']:.5f}", "to the original's, mean"))
    exact = report.get("exactness")
    if exact:
        wrong = exact["mismatches"]
        compared = f"of {count(exact['compared_spikes'])} spikes, {report['target']} against closed form"
        found.append(Tile("Mismatches", count(wrong), compared, bad=wrong > 0))
    spikes = report["spikes"]
    if "per_neuron" in spikes:
        note = f"{count(spikes['total_per_sample'])} spikes per sample"
        found.append(Tile("Spikes per neuron", f"{spikes['per_neuron']:.3f}", note))
    steps, window = report["latency_steps"], report["timesteps"]
    found.append(Tile("Latency", f"{count(steps)} steps", f"{steps / window:.1f} windows of T = {window}"))
    times = report["seconds"]
    if "closed_form_per_sample" in times:
        closed = times["closed_form_per_sample"]
        notes: list[str] = []
        if times.get("ann_per_sample"):
            notes.append(f"{closed / times['ann_per_sample']:.1f} × the original's")
        if "target_per_sample" in times:
            notes.append(f"{report['target']} {seconds(times['target_per_sample'])}")
        found.append(Tile("Closed form, per sample", seconds(closed), "; ".join(notes)))
    saturations = report["saturations"]
    note = "over all samples"
    if exact and "saturations" in exact:
        note += f"; {count(exact['saturations'])} in the samples stepped"
    found.append(Tile("Saturated potentials", count(saturations), note, bad=saturations > 0))
    if low := report.get("low_variance_rows"):
        note = "normalised rows with most codes silent, over all samples"
        found.append(Tile("Low-variance rows", count(low), note, bad=True))
    return found


def percent(value: float) -> str:
    """A fraction as a percentage."""
    return f"{100 * value:.2f}{NBSP}%"


def signed(value: float) -> str:
    """Two decimals and a sign."""
    return f"{value:+.2f}".replace("-", "−")


def count(value: float) -> str:
    """A whole number with thousands apart."""
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """A duration in its natural unit."""
    return f"{value:.3g}{NBSP}s" if value >= 1 else f"{1000 * value:.3g}{NBSP}ms"


def sig(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}".replace("-", "−")
