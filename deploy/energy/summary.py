"""The energy part of a report: events, and microjoules by convention. All values are per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deploy import schema
from deploy.energy.break_even import BreakEven, break_even
from deploy.energy.conventions import Convention, Term, conventions, price, total
from deploy.energy.events import EVENTS, EventCounter

PICO = 1e-6  # microjoules in a picojoule


def energy(counter: EventCounter) -> dict[str, schema.Cost]:
    """By convention: microjoules of the spiking network and of the original in FP32 and INT8, term by term.

    Break-evens compare totals that include the omitted terms.
    """
    return {convention.name: _convention(convention, counter) for convention in conventions()}


def events(counter: EventCounter) -> dict[str, float]:
    """Events of the whole network per sample, by the names of ``EVENTS``."""
    return {event: counter.totals[event] / counter.samples for event in EVENTS}


def layer_events(counter: EventCounter, name: str) -> dict[str, float]:
    """Events of one node per sample; those that never happened are absent."""
    return {event: count / counter.samples for event, count in counter.counts[name].items() if count}


def _convention(convention: Convention, counter: EventCounter) -> schema.Cost:
    return schema.Cost(
        title=convention.title,
        about=convention.about,
        source=convention.source,
        snn_microjoules=_stated(convention.snn, counter),
        snn_microjoules_low=_lowest(convention.snn, counter),
        snn_microjoules_with_omitted=_with_omitted(convention.snn, counter),
        snn_terms=tuple(_term(term, counter) for term in convention.snn),
        ann=schema.Originals(
            **{name: _original(convention.snn, terms, counter) for name, terms in convention.ann.items()}
        ),
    )


def _original(snn: Sequence[Term], terms: Sequence[Term], counter: EventCounter) -> schema.OriginalCost:
    return schema.OriginalCost(
        microjoules=_stated(terms, counter),
        microjoules_with_omitted=_with_omitted(terms, counter),
        terms=tuple(_term(term, counter) for term in terms),
        break_even={found.quantity: _break_even(found) for found in break_even(snn, terms, counter)},
    )


def _break_even(found: BreakEven) -> schema.BreakEven:
    return schema.BreakEven(now=found.now, cheaper=found.cheaper, at=found.at)


def _stated(terms: Sequence[Term], counter: EventCounter) -> float:
    """Microjoules as the convention's source counts them, without omitted terms."""
    return PICO * total((term for term in terms if not term.omitted), counter)


def _with_omitted(terms: Sequence[Term], counter: EventCounter) -> float | None:
    """Microjoules of all terms; None if the source omits none."""
    return PICO * total(terms, counter) if any(term.omitted for term in terms) else None


def _lowest(terms: Sequence[Term], counter: EventCounter) -> float | None:
    """Microjoules at the lower ends of the source's prices; None if it gives no ranges."""
    if all(term.picojoules_low is None for term in terms):
        return None
    return PICO * total((replace(term, picojoules=term.low) for term in terms if not term.omitted), counter)


def _term(term: Term, counter: EventCounter) -> schema.Term:
    return schema.Term(
        what=term.what, event=term.event, picojoules_each=term.picojoules, microjoules=PICO * price(term, counter),
        source=term.source, omitted=term.omitted,
    )  # fmt: skip
