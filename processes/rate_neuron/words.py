"""What reports say about rate neurons."""

from __future__ import annotations

from processes.rate_neuron import RateNeuron
from processes.words import Place, kind, meaning, not_spikes, of_neurons, role

meaning.always(
    "integrates for one window, then fires as often as its potential holds thresholds: a rate code", RateNeuron
)
kind.always("code", RateNeuron)
not_spikes.always(None, RateNeuron)


@role.of(RateNeuron)
def _(op: RateNeuron, place: Place) -> str:
    """A code of the input or of a linear result, or the activation function of the neurons."""
    return of_neurons(op.function, place)
