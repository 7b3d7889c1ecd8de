"""Footprint of rows that race."""

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
    """The ramp and thresholds of further spikes; the winner per row, which all neurons of the row send their potentials to."""
    tables = op.ramp.shape[-1] + (op.latest is not None) + further_thresholds(op.after)
    return Neurons(Amount(core=tables, row=1, neuron=1 + (op.spikes > 1)), row_neuron=True, gathers="potentials")
