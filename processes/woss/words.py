"""What reports say about softmax rows that race (WOSS)."""

from __future__ import annotations

from processes.operation import rows_of, sample_size
from processes.words import NotSpikes, kind, meaning, not_spikes, role
from processes.woss import Woss

meaning.always(
    "winner-oriented spike shift: softmax as a race, in which a neuron fires the later, the "
    "further it lies behind the largest of its row",
    Woss,
)
kind.always("softmax", Woss)
role.always("softmax, race", Woss)


@not_spikes.of(Woss)
def _(op: Woss, carried: str) -> NotSpikes:
    """The winner's potential for each row, and every neuron's where winners are found by graded spikes."""
    if op.race is None:
        why = "each neuron of a row sends its potential, an inhibitory neuron the largest back; two steps"
        return NotSpikes("Softmax, finding the winner", why, sample_size(op.shape) + rows_of(op.shape))
    why = "a falling threshold finds the first neurons by binary spikes; only these send their potential"
    return NotSpikes("Softmax, finding the winner", why, rows_of(op.shape))
