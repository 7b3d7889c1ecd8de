"""Events of products of two spike trains."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.events import Events, Quantity, Visit, distinct_steps, events, growth, in_pairs, one_by_one
from processes.kernels import events as kernels
from processes.trace_product import SquareSum, TraceProduct

growth.of(SquareSum)(one_by_one)


@events.of(TraceProduct)
def _(op: TraceProduct, visit: Visit) -> Events:
    """A spike writes its own local trace and reads those of the other operand's neurons that share its feature.

    Before the other operand's window begins there is nothing to read: an operand that fires earlier only writes.
    """
    a, b = visit.inputs
    b = b if op.transpose_b else b.transpose(-1, -2)
    lead = torch.broadcast_shapes(a.shape[1:-2], b.shape[1:-2])
    a, b = (as_numpy(x.expand(len(x), *lead, *x.shape[-2:])).reshape(len(x), -1, *x.shape[-2:]) for x in (a, b))
    begin = min(window.start for window in visit.windows)
    delay_a, delay_b = (window.start - begin for window in visit.windows)
    steps = max(window.stop for window in visit.windows) - begin
    operations, updates, spikes_a, spikes_b = kernels.product(a, b, delay_a, delay_b, steps)
    return {
        "synaptic_operations": int(operations), "potential_updates": int(updates),
        "idle_trace_reads": int(spikes_a * b.shape[2] + spikes_b * a.shape[2] - operations),
        "trace_copies": int(np.count_nonzero(a)) + int(np.count_nonzero(b)),
        "macs": a.shape[1] * a.shape[2] * a.shape[3] * b.shape[2], "outputs": visit.size,
    }  # fmt: skip


@events.of(SquareSum)
def _(op: SquareSum, visit: Visit) -> Events:
    """A spike reads its neuron's local trace, adds its share to the row's sum and writes the trace."""
    spikes = int(torch.count_nonzero(visit.inputs[0]))
    updates = distinct_steps(visit.inputs[0], visit.length(0))
    return {"synaptic_operations": spikes, "trace_copies": spikes, "potential_updates": updates}


@growth.of(TraceProduct)
def _(op: TraceProduct, quantity: Quantity, event: str) -> int:
    """Additions grow with the square of the spikes per neuron, and all events with the square of the tokens.

    Potential updates and outputs of A V are an exception: each token has its own, so they grow with the tokens.
    """
    if quantity == "spikes_per_neuron":
        return one_by_one(op, quantity, event) + (event == "synaptic_operations")
    each = not op.transpose_b and event in ("potential_updates", "outputs")
    return one_by_one(op, quantity, event) if each else in_pairs(op, quantity, event)
