"""Energy as bars: the spiking network term by term, and the original in either arithmetic, on one scale per convention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SMALL = 0.002  # shares of a bar that are too thin to draw


@dataclass(frozen=True)
class EnergyBar:
    """parts: (what, microjoules, percent of the width, colour number, omitted). total: microjoules of all parts."""

    label: str
    total: float
    parts: list[tuple[str, float, float, int, bool]]


@dataclass(frozen=True)
class Cost:
    """One convention. terms: (what, colour number, omitted) of the spiking network that can be seen."""

    convention: Mapping[str, Any]
    bars: list[EnergyBar]
    terms: list[tuple[str, int, bool]]


def energy_bars(energy: Mapping[str, Any]) -> list[Cost]:
    """A chart for each convention."""
    return [_cost(convention) for convention in energy.values()]


def _cost(convention: Mapping[str, Any]) -> Cost:
    names = {"spiking": convention["snn_terms"]} | {
        f"original, {name.upper()}": ann["terms"] for name, ann in convention["ann"].items()
    }
    totals = {label: sum(term["microjoules"] for term in terms) for label, terms in names.items()}
    widest = max(totals.values()) or 1.0
    bars = [
        EnergyBar(
            label,
            totals[label],
            [
                (term["what"], term["microjoules"], 100 * term["microjoules"] / widest, i % 6, "omitted" in term)
                for i, term in enumerate(terms)
                if term["microjoules"] / widest > SMALL
            ],
        )
        for label, terms in names.items()
    ]
    seen = [(what, colour, omitted) for what, _, _, colour, omitted in bars[0].parts]
    return Cost(convention, bars, seen)
