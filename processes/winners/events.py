"""Events of k winners."""

from __future__ import annotations

import torch

from processes.events import Events, Quantity, Visit, distinct_steps, events, growth, one_by_one
from processes.winners import Winners


@events.of(Winners)
def _(op: Winners, visit: Visit) -> Events:
    """A spike reaches every neuron of its group, even after the race is decided; each neuron then updates its state.

    No compares are counted, as no neuron has a threshold, and no updates in steps in which nothing arrives.
    """
    group = op.shape[-1]
    return {
        "spikes": int(torch.count_nonzero(visit.output)),
        "synaptic_operations": int(torch.count_nonzero(visit.inputs[0])) * group,
        "potential_updates": distinct_steps(visit.inputs[0], visit.length(0)) * group,
    }  # fmt: skip


@growth.of(Winners)
def _(op: Winners, quantity: Quantity, event: str) -> int:
    """Winners fire once, however many spikes arrive; all other events grow as those of single tokens do."""
    return 0 if (quantity, event) == ("spikes_per_neuron", "spikes") else one_by_one(op, quantity, event)
