"""Events that phase neurons cause in a run, counted from its spikes."""

from __future__ import annotations

from processes.events import Events, Visit, events, firing, growth, one_by_one
from processes.phase_neuron import PhaseNeuron

growth.of(PhaseNeuron)(one_by_one)


@events.of(PhaseNeuron)
def _(op: PhaseNeuron, visit: Visit) -> Events:
    """One potential update per neuron if its operand is graded; then comparisons and spikes of its window."""
    taken = visit.size if visit.emits[0] == "graded" else 0
    return firing(visit, op.schedule.steps, visit.size, op.latest) | {"potential_updates": taken}
