"""Footprint of residual streams and of centring."""

from __future__ import annotations

from processes.footprint import NO_SYNAPSES, Amount, Neurons, drivers, fans, layout, message, neurons
from processes.residual import Centre, Residual

fans.of(Residual, Centre)(message)
drivers.refuse(NO_SYNAPSES, Residual, Centre)
layout.always("rows", Residual, Centre)
neurons.always(Neurons(Amount(row=1, neuron=1), row_neuron=True, gathers="operand"), Centre)  # the mean; a potential


@neurons.of(Residual)
def _(op: Residual, operands: int) -> Neurons:
    """A column stores a bias and a factor for each branch; a neuron holds a compartment for each branch."""
    return Neurons(Amount(column=1 + operands, neuron=operands))
