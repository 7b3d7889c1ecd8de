"""What softmax rows that race (WOSS) occupy on a chip."""

from __future__ import annotations

from processes.footprint import (
    NO_SYNAPSES,
    Amount,
    Neurons,
    drivers,
    fans,
    further_thresholds,
    layout,
    message,
    neurons,
)
from processes.woss import Woss

fans.of(Woss)(message)
drivers.refuse(NO_SYNAPSES, Woss)
layout.always("rows", Woss)


@neurons.of(Woss)
def _(op: Woss, operands: int) -> Neurons:
    """Per core the ramp and thresholds of further spikes; per row a winner's neuron, which gathers potentials."""
    tables = op.ramp.shape[-1] + (op.latest is not None) + further_thresholds(op.after)
    return Neurons(Amount(core=tables, row=1, neuron=1 + (op.spikes > 1)), row_neuron=True, gathers="potentials")
