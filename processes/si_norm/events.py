"""Events of SI-norm."""

from __future__ import annotations

import torch

from processes.events import Events, Visit, events, firing, growth, in_pairs
from processes.si_norm import SiNorm

growth.of(SiNorm)(in_pairs)


@events.of(SiNorm)
def _(op: SiNorm, visit: Visit) -> Events:
    """Each spike of an exponential reaches its own neuron and the row's sum; the sum is sent back as one graded spike.

    Every step drives every potential, and a spike rewrites its neuron's potential once more.
    """
    counted = firing(visit, op.steps, visit.size)
    heard = 2 * int(torch.count_nonzero(visit.inputs[0]))
    updates = heard + visit.size * op.steps + counted["spikes"]
    return counted | {"synaptic_operations": heard, "potential_updates": updates, "graded_spikes": visit.rows}
