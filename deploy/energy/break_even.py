"""Break-even points: where a spiking network stops being cheaper than the original, in spikes, time steps and tokens.

Counted events are scaled by a factor f of one quantity, all else equal:

    spikes * f     events caused by spikes grow with f, additions in products of two spike trains with f^2, others stay
    T * f          threshold comparisons and neuron-steps grow with f, the number of spikes stays
    tokens * f     attention's products and softmax grow with f^2, everything else with f

Each operation states the power for its events (:data:`processes.events.growth`). So energy is a parabola in f, and the
break-even is where it meets the original's. ``deploy sweep`` measures such changes instead of scaling counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from deploy.energy.conventions import AFTER, Term, layers_after_activations
from deploy.energy.events import EventCounter
from processes.events import Quantity, growth
from processes.network import Network, SiExp, Woss

Parabola = tuple[float, float, float]
"""Coefficients (constant, linear, quadratic) in f, picojoules per sample."""


@dataclass(frozen=True)
class BreakEven:
    """When the spiking network is cheaper: "below" or "above" ``at``, "always" or "never"; now: the value as run."""

    quantity: Quantity
    now: float
    cheaper: Literal["below", "above", "always", "never"]
    at: float | None = None


def quantities(counter: EventCounter) -> dict[Quantity, float]:
    """Quantities that can be scaled in a network, and their values as run; tokens only if all attention is global."""
    network = counter.network
    neurons = sum(math.prod(node.op.shape) for _, node in network if node.op.fires and node.op.name != "route")
    found: dict[Quantity, float] = {}
    if neurons and counter.samples:
        found["spikes_per_neuron"] = counter.totals["spikes"] / counter.samples / neurons
    if network.header.timesteps is not None:
        found["timesteps"] = float(network.header.timesteps)
    scores = [node.op.shape for _, node in network if isinstance(node.op, (SiExp, Woss))]
    if scores and all(math.prod(shape[:-3]) == 1 and shape[-1] == shape[-2] for shape in scores):
        found["tokens"] = float(max(shape[-1] for shape in scores))
    return found


def break_even(snn: Iterable[Term], ann: Iterable[Term], counter: EventCounter) -> list[BreakEven]:
    """The break-even of the prices ``snn`` and ``ann`` on counted events, for each of :func:`quantities`."""
    snn, ann = list(snn), list(ann)
    return [
        _solve(quantity, now, _scaled(quantity, snn, counter), _scaled(quantity, ann, counter), most)
        for quantity, now in quantities(counter).items()
        for most in [_most_spikes(counter.network) if quantity == "spikes_per_neuron" else math.inf]
    ]


def _most_spikes(network: Network) -> float:
    """Spikes per neuron if every neuron fired as often in its window as its code allows."""
    firing = [node.op for _, node in network if node.op.fires and node.op.name != "route"]
    neurons = [math.prod(op.shape) for op in firing]
    return sum(n * getattr(op, "spikes", 1) for n, op in zip(neurons, firing, strict=True)) / max(1, sum(neurons))


def _scaled(quantity: Quantity, terms: list[Term], counter: EventCounter) -> Parabola:
    """Picojoules per sample of ``terms``, as a parabola in the factor f of ``quantity``."""
    out = [0.0, 0.0, 0.0]
    after = layers_after_activations(counter.network)
    for term in terms:
        for name, events in counter.counts.items():
            if term.layers == "all" or (name in after) == (term.layers == AFTER):
                power = growth(counter.network[name], quantity, term.event)
                out[power] += term.picojoules * events[term.event] / counter.samples
    return out[0], out[1], out[2]


def _solve(quantity: Quantity, now: float, snn: Parabola, ann: Parabola, most: float) -> BreakEven:
    """Break-even at the factor f > 0, nearest to 1, where both parabolas meet and ``f * now`` is at most ``most``."""
    c, b, a = (x - y for x, y in zip(snn, ann, strict=True))

    def cheaper(f: float) -> bool:
        return a * f * f + b * f + c < 0

    if a:
        root = math.sqrt(b * b - 4 * a * c) if b * b > 4 * a * c else math.nan
        roots = [(-b + root) / (2 * a), (-b - root) / (2 * a)]
    else:
        roots = [-c / b] if b else []
    crossings = sorted((f for f in roots if f > 1e-9 and f * now <= most), key=lambda f: abs(math.log(f)))
    if not crossings:
        return BreakEven(quantity, now, "always" if cheaper(1.0) else "never")
    f = crossings[0]
    return BreakEven(quantity, now, "below" if cheaper(f * 0.999) else "above", f * now)
