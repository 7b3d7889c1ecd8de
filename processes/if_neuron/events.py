"""Events of integrate-and-fire neurons that fire while their input arrives."""

from __future__ import annotations

from dataclasses import replace

from processes.events import Events, Visit, events, firing, growth, one_by_one
from processes.if_neuron import IfNeuron

growth.of(IfNeuron)(one_by_one)


@events.of(IfNeuron)
def _(op: IfNeuron, visit: Visit) -> Events:
    """A neuron meets its threshold at every step, and a spike, even one that a mask holds back, rewrites its potential.

    With a bias, or an input that was complete before, the potential is rewritten at every step instead; a graded
    message is one more update.
    """
    counted = firing(visit, op.steps, visit.size)
    fired = counted["spikes"] if op.sent is None else _with_those_held_back(op, visit)
    counted["compares"] = op.steps * visit.size
    counted["silent_compares"] = counted["compares"] - fired
    constant = not op.streams or bool(op.bias.any())
    taken = visit.size if visit.emits[0] == "graded" else 0
    return counted | {"potential_updates": (op.steps * visit.size if constant else fired) + taken}


def _with_those_held_back(op: IfNeuron, visit: Visit) -> int:
    """All spikes of the neurons, those that the mask holds back included, recomputed from the operand."""
    return int(replace(op, masked=0.0).closed_form(visit.inputs[0], dtype=visit.inputs[0].dtype).values.count_nonzero())
