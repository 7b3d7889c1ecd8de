"""Published ways to turn counted events into joules, each a data file with the source of every number.

A convention is linear: energy = sum over its terms of (picojoules per event) * (events). Terms marked *omitted* are
missing in the convention's source; they are kept apart from its total, and shown beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from deploy.energy.events import EVENTS, EventCounter
from processes.network import DenseSynapse, Network, PhaseNeuron

AFTER = "after an activation"
LAYERS = ("all", AFTER, f"not {AFTER}")
USUAL = "45nm-memory"
"""The default convention for comparing costs; it prices every counted event."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """The price of one kind of event.

    what: in words. event: a name in ``EVENTS``. picojoules: per event. source: of the price. layers: nodes whose events
    it counts, one of ``LAYERS``. picojoules_low: lower end of a published range. omitted: whether the source omits it.

    Raises:
        ValueError: ``event`` or ``layers`` is unknown.
    """

    what: str
    event: str
    picojoules: float
    source: str
    layers: str = "all"
    picojoules_low: float | None = None
    omitted: bool = False

    def __post_init__(self) -> None:
        if self.event not in EVENTS or self.layers not in LAYERS:
            raise ValueError(f"term '{self.what}': unknown event '{self.event}' or layers '{self.layers}'")

    @property
    def low(self) -> float:
        """Lower end of the price in picojoules; the price itself where the source gives no range."""
        return self.picojoules if self.picojoules_low is None else self.picojoules_low


@dataclass(frozen=True)
class Convention:
    """A published way to price events.

    Attributes:
        name, title, about, source: what it is called, and where it comes from.
        snn: terms of the spiking network.
        ann: terms of the original network, by its arithmetic: "fp32" and "int8".
        unpriced: by event without a price, the reason; every event has either a term or an entry here.
    """

    name: str
    title: str
    about: str
    source: str
    snn: tuple[Term, ...]
    ann: Mapping[str, tuple[Term, ...]]
    unpriced: Mapping[str, str]


@cache
def conventions() -> tuple[Convention, ...]:
    """All conventions, from the one that counts the fewest kinds of events to the one that counts the most."""
    folder = resources.files("deploy.energy") / "conventions"
    order = ("45nm-additions", "45nm-integer", "spikedattention", "45nm-memory", "loihi1")
    return tuple(_read(name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in order)


def _read(name: str, data: dict) -> Convention:
    ann = {arithmetic: tuple(Term(**term) for term in terms) for arithmetic, terms in data["ann"].items()}
    snn = tuple(Term(**term) for term in data["snn"])
    return Convention(name, data["title"], data["about"], data["source"], snn, ann, data["unpriced"])


def layers_after_activations(network: Network) -> set[str]:
    """Names of dense layers that read an activation function's spikes: the second layers of MLPs."""
    found: set[str] = set()
    for name, node in network:
        origin = network.origin(node.inputs[0])
        before = None if origin == Network.INPUT else network[origin]
        function = (
            before.schedule.function if isinstance(before, PhaseNeuron) else getattr(before, "function", "identity")
        )
        if isinstance(node.op, DenseSynapse) and function != "identity":
            found.add(name)
    return found


def price(term: Term, counter: EventCounter) -> float:
    """Picojoules per sample of one term."""
    return term.picojoules * events_of(term, counter)


def events_of(term: Term, counter: EventCounter) -> float:
    """Events per sample that a term counts."""
    if term.layers == "all":
        counted = counter.counts.keys()
    else:
        after = layers_after_activations(counter.network)
        counted = after if term.layers == AFTER else counter.counts.keys() - after
    return sum(counter.counts[name][term.event] for name in counted) / max(1, counter.samples)


def total(terms: Iterable[Term], counter: EventCounter) -> float:
    """Picojoules per sample of several terms together."""
    return sum(price(term, counter) for term in terms)
