"""Events of max pooling."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.events import Events, Visit, events, growth, one_by_one
from processes.kernels import events as kernels
from processes.max_pool import MaxPool

growth.of(MaxPool)(one_by_one)


@events.of(MaxPool)
def _(op: MaxPool, visit: Visit) -> Events:
    """A spike reaches every field of its neuron, even one where it has lost, and the field's state is rewritten.

    No compares are counted, as no neuron has a threshold, and no updates in steps in which nothing arrives.
    """
    codes = as_numpy(visit.inputs[0])
    codes = codes.reshape(len(codes), -1, *codes.shape[-3:])
    channels = codes.shape[2]
    one_each = np.ones((channels, *op.kernel), np.int64)
    operations, occupied = kernels.convolution(
        codes, one_each, (channels, *op.shape[-2:]), op.stride, op.padding, op.dilation, visit.length(0)
    )
    return {
        "spikes": int(torch.count_nonzero(visit.output)), "synaptic_operations": int(operations),
        "potential_updates": int(occupied),
    }  # fmt: skip
