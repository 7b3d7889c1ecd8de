"""Events of elementwise products."""

from __future__ import annotations

import torch

from processes.elementwise_product import ElementwiseProduct
from processes.events import Events, Quantity, Visit, events, growth, one_by_one

NEVER = 2**40
"""A step later than any other, for spikes that do not exist."""


@events.of(ElementwiseProduct)
def _(op: ElementwiseProduct, visit: Visit) -> Events:
    """A spike writes the trace of its operand and, once both operands' windows have begun, reads that of the other.

    A spike of an operand that broadcasts does so in every neuron that it reaches. Of two spikes at one step, that of
    the second operand is processed later and finds the first operand's trace already written.
    """
    inputs = [codes.expand(len(codes), visit.samples, *op.shape) for codes in visit.inputs]
    steps = [codes.abs().long() - 1 + w.start for codes, w in zip(inputs, visit.windows, strict=True)]
    begin = max(window.start for window in visit.windows)
    arriving = [(codes != 0) & (when >= begin) for codes, when in zip(inputs, steps, strict=True)]
    first = [when.masked_fill(codes == 0, NEVER).amin(0) for codes, when in zip(inputs, steps, strict=True)]
    found = int((arriving[0] & (steps[0] > first[1])).sum()) + int((arriving[1] & (steps[1] >= first[0])).sum())
    reads = sum(int(spikes.sum()) for spikes in arriving)
    together = sum(
        int((a & b & (x == y)).sum())
        for a, x in zip(arriving[0], steps[0], strict=True) for b, y in zip(arriving[1], steps[1], strict=True)
    )  # fmt: skip
    return {
        "synaptic_operations": found, "idle_trace_reads": reads - found, "potential_updates": reads - together,
        "trace_copies": sum(int(torch.count_nonzero(codes)) for codes in inputs),
        "macs": visit.size, "outputs": visit.size,
    }  # fmt: skip


@growth.of(ElementwiseProduct)
def _(op: ElementwiseProduct, quantity: Quantity, event: str) -> int:
    """Additions grow with the square of the spikes per neuron, all other events as those of single tokens do."""
    return one_by_one(op, quantity, event) + (quantity == "spikes_per_neuron" and event == "synaptic_operations")
