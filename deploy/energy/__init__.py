"""Energy of a network: events counted from a run, and published conventions that turn them into joules."""

from deploy.energy.break_even import BreakEven, break_even, quantities
from deploy.energy.conventions import USUAL, Convention, Term, conventions, price, total
from deploy.energy.events import EVENTS, ContinuedCounter, EventCounter, count_run, differing
from deploy.energy.neurobench import neurobench
from deploy.energy.summary import energy, events, layer_events

__all__ = [
    "EVENTS", "USUAL", "BreakEven", "ContinuedCounter", "Convention", "EventCounter", "Term", "break_even", "conventions",
    "count_run", "differing", "energy", "events", "layer_events", "neurobench", "price", "quantities", "total",
]  # fmt: skip
