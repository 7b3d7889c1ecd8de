"""What reports say about readouts."""

from __future__ import annotations

from processes.operation import sample_size
from processes.readout import Readout
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always("the potentials that the host reads", Readout)
kind.always("readout", Readout)
role.always("readout", Readout)


@not_spikes.of(Readout)
def _(op: Readout, carried: str) -> NotSpikes:
    """The potentials, which are numbers."""
    return NotSpikes("Readout", "the last layer's potentials, read by the host", sample_size(op.shape))
