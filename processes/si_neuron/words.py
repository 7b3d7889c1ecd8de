"""What reports say about fitted neurons."""

from __future__ import annotations

from processes.si_neuron import SiNeuron
from processes.words import Place, kind, meaning, not_spikes, role

meaning.always("an activation function by a fitted spiking neuron", SiNeuron)
kind.always("activation", SiNeuron)
not_spikes.always(None, SiNeuron)


@role.of(SiNeuron)
def _(op: SiNeuron, place: Place) -> str:
    """The activation function that the neurons compute."""
    return f"activation ({op.function})"
