"""Energy as stacked bars: the spiking network, and the original in FP32 and INT8, on one scale per convention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.energy.tables import FORMULA
from deploy.measure.flops import ADD, MULTIPLY_ADD, MULTIPLY_ADD_INT8
from deploy.report.charts import marks
from deploy.schema import Cost, FlopsFormula, OriginalCost, Originals, Term

ABOUT = (
    "The formula of the SIT-conversion paper and of DIET-SNN: a layer's FLOPs times the spikes per neuron that feed it, for "
    "linear layers and convolutions. Pale: additions counted in the run that it has no term for. Potentials, thresholds, "
    "softmax, normalisation and memory are in neither."
)
SMALL = 0.002  # of the axis: thinner parts of a bar are not drawn
COLOURS = 9  # number of colours in the style sheet
LEFT, RIGHT = 104, 390  # x of the ends of the axis


@dataclass(frozen=True)
class EnergyBar:
    """The stacked bar of one network.

    Attributes:
        label: the network and its arithmetic.
        total: microjoules of all terms.
        parts: terms wide enough to draw, (what, microjoules, x, width, colour number, omitted).
    """

    label: str
    total: float
    parts: list[tuple[str, float, float, float, int, bool]]


@dataclass(frozen=True)
class CostChart:
    """The bars of one convention.

    Attributes:
        convention: its figures in the report.
        bars: of the spiking network first, then of the original.
        terms: legend: the drawn terms of the spiking network, (what, colour number, omitted).
        ticks: marks of the axis, (x, text); ``middle``: x of its middle.
    """

    convention: Cost
    bars: list[EnergyBar]
    terms: list[tuple[str, int, bool]]
    ticks: list[tuple[float, str]]
    middle: float = (LEFT + RIGHT) / 2


def energy_bars(energy: Mapping[str, Cost]) -> list[CostChart]:
    """A bar chart for each energy convention of a report."""
    return [_chart(convention) for convention in energy.values()]


def formula_bars(formula: FlopsFormula | None) -> list[CostChart]:
    """The published FLOPs formula drawn like a convention: its own terms, then what it omits; empty without one."""
    if formula is None:
        return []

    def terms(what: str, each: float, stated: float, left_out: float) -> tuple[Term, ...]:
        def term(what: str, event: str, joules: float, omitted: bool) -> Term:
            return Term(
                what=what, event=event, picojoules_each=each, microjoules=joules, source=formula.source, omitted=omitted
            )

        own = term(what, "flops", stated, omitted=False)
        more = term("products of activations, sums", "synaptic_operations", left_out, omitted=True)
        return (own, more) if left_out else (own,)

    def original(each: float, stated: float, left_out: float) -> OriginalCost:
        return OriginalCost(microjoules=stated, terms=terms("FLOPs", each, stated, left_out))

    spiking = terms("FLOPs × spikes per neuron", ADD, formula.snn_microjoules, formula.snn_omitted_microjoules)
    ann = Originals(
        fp32=original(MULTIPLY_ADD, formula.ann_microjoules, formula.ann_omitted_microjoules),
        int8=original(MULTIPLY_ADD_INT8, formula.ann_int8_microjoules, formula.ann_int8_omitted_microjoules),
    )
    return [
        _chart(
            Cost(
                title=FORMULA, about=ABOUT, source=formula.source,
                snn_microjoules=formula.snn_microjoules, snn_terms=spiking, ann=ann,
            )
        )
    ]  # fmt: skip


def _chart(convention: Cost) -> CostChart:
    names = {"spiking": convention.snn_terms} | {
        f"original, {name.upper()}": ann.terms for name, ann in convention.ann.items()
    }
    totals = {label: sum(term.microjoules for term in terms) for label, terms in names.items()}
    widest = max(totals.values()) or 1.0
    scale = (RIGHT - LEFT) / widest
    bars: list[EnergyBar] = []
    for label, terms in names.items():
        x, parts = float(LEFT), []
        for number, term in enumerate(terms):
            if (width := term.microjoules * scale) > SMALL * (RIGHT - LEFT):
                parts.append(
                    (term.what, term.microjoules, round(x, 2), round(width, 2), number % COLOURS, term.omitted)
                )
            x += width
        bars.append(EnergyBar(label, totals[label], parts))
    seen = [(what, colour, omitted) for what, *_, colour, omitted in bars[0].parts]
    ticks = [(round(LEFT + tick * scale, 1), f"{tick:g}") for tick in marks(0.0, widest)]
    return CostChart(convention, bars, seen, ticks)
