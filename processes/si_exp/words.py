"""What reports say about SI-exp."""

from __future__ import annotations

from processes.operation import rows_of, sample_size
from processes.si_exp import SiExp
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always("exponentials of a row by fitted spiking neurons, behind the row's largest", SiExp)
kind.always("softmax", SiExp)
role.always("softmax, exponentials", SiExp)


@not_spikes.of(SiExp)
def _(op: SiExp, carried: str) -> NotSpikes | None:
    """The graded spikes that find the largest of each row; None in the published form, which has no clock."""
    if op.clock is None:
        return None
    why = "each neuron of a row sends its potential, an inhibitory neuron the largest back; two steps"
    return NotSpikes("Softmax, the largest of a row", why, sample_size(op.shape) + rows_of(op.shape))
