"""Events of integrate-and-fire neurons that fire while their input arrives."""

from __future__ import annotations

from processes.events import Events, Visit, events, firing, growth, one_by_one
from processes.if_neuron import IfNeuron

growth.of(IfNeuron)(one_by_one)


@events.of(IfNeuron)
def _(op: IfNeuron, visit: Visit) -> Events:
    """Meets its threshold at every step.

    A bias, or an input that was complete before, rewrites its potential at every step; where currents alone do, a spike does.
    A graded message is taken once more.
    """
    counted = firing(visit, op.steps, visit.size)
    counted["compares"] = op.steps * visit.size
    counted["silent_compares"] = counted["compares"] - counted["spikes"]
    constant = not op.streams or bool(op.bias.any())
    taken = visit.size if visit.emits[0] == "graded" else 0
    return counted | {"potential_updates": (op.steps * visit.size if constant else counted["spikes"]) + taken}
