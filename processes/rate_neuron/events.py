"""Events of rate neurons."""

from __future__ import annotations

from processes.events import Events, Visit, events, firing, growth, one_by_one
from processes.rate_neuron import RateNeuron

growth.of(RateNeuron)(one_by_one)


@events.of(RateNeuron)
def _(op: RateNeuron, visit: Visit) -> Events:
    """A graded operand is one potential update per neuron; then each neuron meets its threshold at every step."""
    taken = visit.size if visit.emits[0] == "graded" else 0
    return firing(visit, op.steps, visit.size) | {"potential_updates": taken}
