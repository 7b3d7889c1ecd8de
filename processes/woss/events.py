"""Events that softmax rows that race (WOSS) cause in a run, counted from its spikes."""

from __future__ import annotations

import numpy as np

from processes.backends.numba.views import as_numpy
from processes.events import Events, Visit, events, firing, growth, in_pairs, takes_part
from processes.woss import Woss

growth.of(Woss)(in_pairs)


@events.of(Woss)
def _(op: Woss, visit: Visit) -> Events:
    """Each row finds its winner, then its neurons meet the falling threshold; masked keys take no part in either.

    By graded spikes, every neuron sends its potential, the inhibitory neuron compares it and sends the largest back; by
    a race, every neuron meets the falling threshold until the winner crosses, and those that cross in this step send.
    """
    allowed = takes_part(op, visit)
    counted = firing(visit, op.steps, int(allowed.sum()), op.latest)
    if op.race is None:
        sent = met = int(allowed.sum())
    else:
        potentials = as_numpy(visit.inputs[0]).reshape(allowed.shape)
        lowest = np.where(allowed, potentials, -np.inf)
        crossed = lowest.max(-1, keepdims=True)[..., None] >= op.race[:, None, None, :]
        step = crossed.argmax(-1)  # the last threshold, -inf, is always crossed
        limit = np.take_along_axis(np.broadcast_to(op.race[:, None, None, :], crossed.shape), step[..., None], -1)
        sent, met = int((lowest >= limit[..., 0]).sum()), int(((step + 1) * allowed).sum())
    counted["compares"] += met
    counted["silent_compares"] += met
    return counted | {"graded_spikes": sent + int(allowed.any(-1).sum())}
