"""Energy as bars: the spiking network term by term, and the original in either arithmetic, on one scale per convention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.measure.flops import ADD, MULTIPLY_ADD, MULTIPLY_ADD_INT8

ABOUT = (
    "The formula of the SIT-conversion paper and of DIET-SNN: a layer's FLOPs times the spikes per neuron that feed it, for "
    "linear layers and convolutions. Pale: additions counted in the run that it has no term for. Potentials, thresholds, "
    "softmax, normalisation and memory are in neither."
)
SMALL = 0.002  # shares of a bar that are too thin to draw
COLOURS = 9  # that the style sheet has


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


def formula_bars(formula: Mapping[str, Any]) -> list[Cost]:
    """The published FLOPs formula as another convention, if the report has it; its own additions, then what it leaves out."""
    if not formula:
        return []

    def terms(what: str, whose: str, each: float) -> list[dict[str, Any]]:
        left_out = formula.get(f"{whose}_omitted_microjoules")
        found = [{"what": what, "microjoules": formula[f"{whose}_microjoules"]}]
        if left_out:
            found.append({"what": "products of activations, sums", "microjoules": left_out, "omitted": True})
        return [term | {"picojoules_each": each, "source": formula["source"]} for term in found]

    spiking = terms("FLOPs × spikes per neuron", "snn", ADD)
    ann = {
        "fp32": {"terms": terms("FLOPs", "ann", MULTIPLY_ADD)},
        "int8": {"terms": terms("FLOPs", "ann_int8", MULTIPLY_ADD_INT8)},
    }
    return [_cost({"title": "FLOPs times firing rate, as published", "about": ABOUT, "snn_terms": spiking, "ann": ann})]


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
                (term["what"], term["microjoules"], 100 * term["microjoules"] / widest, i % COLOURS, "omitted" in term)
                for i, term in enumerate(terms)
                if term["microjoules"] / widest > SMALL
            ],
        )
        for label, terms in names.items()
    ]
    seen = [(what, colour, omitted) for what, _, _, colour, omitted in bars[0].parts]
    return Cost(convention, bars, seen)
