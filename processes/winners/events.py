"""Events of k winners."""

from __future__ import annotations

import torch

from processes.events import Events, Quantity, Visit, distinct_steps, events, growth, one_by_one
from processes.winners import Winners


@events.of(Winners)
def _(op: Winners, visit: Visit) -> Events:
    """A spike reaches every neuron of its group, also once it is decided; who is in a race is rewritten then.

    Nothing is compared in steps in which nothing arrives, nor when the winners fire, as nothing has a threshold.
    """
    group = op.shape[-1]
    return {
        "spikes": int(torch.count_nonzero(visit.output)),
        "synaptic_operations": int(torch.count_nonzero(visit.inputs[0])) * group,
        "potential_updates": distinct_steps(visit.inputs[0], visit.length(0)) * group,
    }  # fmt: skip


@growth.of(Winners)
def _(op: Winners, quantity: Quantity, event: str) -> int:
    """Winners fire once, whatever they hear."""
    return 0 if (quantity, event) == ("spikes_per_neuron", "spikes") else one_by_one(op, quantity, event)
