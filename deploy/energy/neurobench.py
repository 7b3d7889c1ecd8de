"""NeuroBench's metrics by NeuroBench's names (neurobench 2.x), from counted events."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from deploy.energy.events import EventCounter
from deploy.schema import NeuroBench, SynapticOperations
from processes.operation import to_metadata
from processes.routing import Route
from processes.synapse import Synapse

HOST = {"unit", "scale"}  # read by the host or folded into tables, so not stored on a target


def neurobench(counter: EventCounter) -> NeuroBench:
    """Footprint in bytes, sparsities as shares, synaptic operations and membrane updates per sample.

    Activation sparsity is the share of (neuron, step of its window) pairs without a spike. Dense synaptic operations
    add every synapse in every step of a window; effective ones are those that spikes cause, without weights of zero.
    """
    network, totals, samples = counter.network, counter.totals, max(1, counter.samples)
    weights = [node.op.weight for _, node in network if isinstance(node.op, Synapse)]
    places = dense = 0
    for name, node in network:
        window = counter.times.windows[name]
        steps = window.stop - window.start
        if node.op.fires and not isinstance(node.op, Route):
            places += math.prod(node.op.shape) * steps
        if name in counter.counts:
            dense += counter.counts[name]["macs"] // samples * steps
    stored = sum(weight.size for weight in weights)
    return NeuroBench(
        footprint=sum(_bytes(to_metadata(node.op)) for _, node in network),
        connection_sparsity=sum(int((w == 0).sum()) for w in weights) / stored if stored else None,
        activation_sparsity=1 - totals["spikes"] / samples / places if places else None,
        synaptic_operations=SynapticOperations(
            effective_macs=0, effective_acs=totals["synaptic_operations"] / samples, dense=dense
        ),
        membrane_updates=totals["potential_updates"] / samples,
    )


def _bytes(parameters: dict[str, Any]) -> int:
    size = 0
    for name, value in parameters.items():
        if isinstance(value, dict):
            size += _bytes(value)
        elif isinstance(value, np.ndarray) and name not in HOST and name not in ("shape", "source_shape"):
            size += value.nbytes
    return size
