"""What reports say about integrate-and-fire neurons that fire while their input arrives."""

from __future__ import annotations

from processes.if_neuron import IfNeuron
from processes.words import Place, kind, meaning, not_spikes, of_neurons, role

meaning.always(
    "integrates and fires in the same steps, by subtracting its threshold: a rate code as QCFS, SNM and MST have it",
    IfNeuron,
)
kind.always("code", IfNeuron)
not_spikes.always(None, IfNeuron)


@role.of(IfNeuron)
def _(op: IfNeuron, place: Place) -> str:
    """A code of the input or of a linear result, or the activation function of the neurons."""
    return of_neurons(op.function, place)
