"""What reports say about SI-norm."""

from __future__ import annotations

from processes.operation import rows_of
from processes.si_norm import SiNorm
from processes.words import NotSpikes, kind, meaning, not_spikes, role

meaning.always("shares of a row's sum, digit by digit, by neurons whose threshold is that sum", SiNorm)
kind.always("softmax", SiNorm)
role.always("softmax, shares", SiNorm)


@not_spikes.of(SiNorm)
def _(op: SiNorm, carried: str) -> NotSpikes:
    """The graded spike that carries the sum of each row."""
    why = "the sum of a row's exponentials is the threshold of its SI-norm neurons; it reaches them as a number"
    return NotSpikes("Softmax, the row's sum", why, rows_of(op.shape))
