"""Events of fitted neurons."""

from __future__ import annotations

from processes.events import Events, Visit, events, firing, growth, one_by_one
from processes.si_neuron import SiNeuron

growth.of(SiNeuron)(one_by_one)


@events.of(SiNeuron)
def _(op: SiNeuron, visit: Visit) -> Events:
    """A neuron meets a threshold at every step until its last possible spike; a spike rewrites its potential."""
    counted = firing(visit, op.steps, visit.size)
    taken = visit.size if visit.emits[0] == "graded" else 0
    return counted | {"potential_updates": counted["spikes"] + taken}
