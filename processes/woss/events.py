"""Events of rows that race."""

from __future__ import annotations

import numpy as np

from processes.backends.numba.views import as_numpy
from processes.events import Events, Visit, events, firing, growth, in_pairs, takes_part
from processes.woss import Woss

growth.of(Woss)(in_pairs)


@events.of(Woss)
def _(op: Woss, visit: Visit) -> Events:
    """Finds the row's winner, then the threshold falls; masked keys do neither.

    By graded spikes, every neuron sends its potential, the inhibitory neuron compares it and sends the largest back; by
    a race, every neuron meets the falling threshold until the winner crosses, and who crosses with it sends.
    """
    allowed = takes_part(op, visit)
    counted = firing(visit, op.steps, int(allowed.sum()), op.latest)
    if op.race is None:
        sent = met = int(allowed.sum())
    else:
        potentials = as_numpy(visit.inputs[0]).reshape(allowed.shape)
        lowest = np.where(allowed, potentials, -np.inf)
        crossed = lowest.max(-1, keepdims=True)[..., None] >= op.race[:, None, None, :]
        step = crossed.argmax(-1)  # the last threshold is crossed by everybody
        limit = np.take_along_axis(np.broadcast_to(op.race[:, None, None, :], crossed.shape), step[..., None], -1)
        sent, met = int((lowest >= limit[..., 0]).sum()), int(((step + 1) * allowed).sum())
    counted["compares"] += met
    counted["silent_compares"] += met
    return counted | {"graded_spikes": sent + int(allowed.any(-1).sum())}
