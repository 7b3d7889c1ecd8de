"""Events that synapses cause in a run, counted from its spikes."""

from __future__ import annotations

import math

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.events import Events, Visit, distinct_steps, events, growth, one_by_one, rows_of
from processes.kernels import events as kernels
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

growth.of(DenseSynapse, ConvSynapse, ScaleSynapse)(one_by_one)


@events.of(DenseSynapse)
def _(op: DenseSynapse, visit: Visit) -> Events:
    """A spike adds its stored weights to its row's outputs, each of which is rewritten once in a step with spikes."""
    codes = rows_of(visit.inputs[0])
    outputs, inputs = op.weight.shape
    synapses = op.stored
    if (synapses == outputs).all():
        operations = int(np.count_nonzero(codes)) * outputs
    else:
        operations = int(kernels.column_spikes(codes) @ synapses)
    updates = distinct_steps(visit.inputs[0], visit.length(0)) * outputs
    macs = codes.shape[1] * inputs * outputs
    return {
        "synaptic_operations": operations, "potential_updates": updates,
        "macs": macs, "outputs": visit.size,
    }  # fmt: skip


@events.of(ConvSynapse)
def _(op: ConvSynapse, visit: Visit) -> Events:
    """A spike adds stored weights where a kernel covers it; a group's outputs at a position are rewritten together."""
    codes = as_numpy(visit.inputs[0])
    codes = codes.reshape(len(codes), -1, *codes.shape[-3:])
    per_group = op.weight.shape[0] // op.groups
    stored = np.count_nonzero(op.weight.reshape(op.groups, per_group, *op.weight.shape[1:]), axis=1)
    synapses = stored.reshape(-1, *op.weight.shape[2:]).astype(np.int64)
    size = (op.groups, *op.shape[-2:])
    operations, occupied = kernels.convolution(
        codes, synapses, size, tuple(op.stride), tuple(op.padding), tuple(op.dilation), visit.length(0)
    )
    return {
        "synaptic_operations": int(operations), "potential_updates": int(occupied) * per_group,
        "macs": visit.size * math.prod(op.weight.shape[1:]), "outputs": visit.size,
    }  # fmt: skip


@events.of(ScaleSynapse)
def _(op: ScaleSynapse, visit: Visit) -> Events:
    """One synapse for each input neuron; pooled ones share a target, which is rewritten once in a step with spikes."""
    codes = visit.inputs[0]
    if visit.emits[0] != "spikes":
        return {"synaptic_operations": codes.numel(), "potential_updates": visit.size}
    spikes = int(torch.count_nonzero(codes))
    if not op.pool:
        return {"synaptic_operations": spikes, "potential_updates": spikes}
    axes = [axis + codes.ndim - len(op.shape) for axis in op.pool]
    last = torch.movedim(codes, axes, list(range(-len(axes), 0))).flatten(-len(axes))
    return {
        "synaptic_operations": spikes,
        "potential_updates": distinct_steps(last, visit.length(0)),
    }
