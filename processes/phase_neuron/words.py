"""What reports say about phase neurons."""

from __future__ import annotations

from processes.phase_neuron import PhaseNeuron
from processes.trace_product import SquareSum
from processes.words import Place, kind, meaning, not_spikes, of_neurons, role

meaning.always("integrates for one window, then fires when a falling threshold meets its potential", PhaseNeuron)
kind.always("code", PhaseNeuron)
not_spikes.always(None, PhaseNeuron)


@role.of(PhaseNeuron)
def _(op: PhaseNeuron, place: Place) -> str:
    """A code for a normalisation that reads it, a code of the input, or what its function says."""
    if not place.reads_input and any(isinstance(reader, SquareSum) for reader in place.readers):
        return "code for normalisation"
    return of_neurons(op.schedule.function, place)
