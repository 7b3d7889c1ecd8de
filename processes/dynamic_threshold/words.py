"""What reports say about dynamic-threshold neurons."""

from __future__ import annotations

from processes.dynamic_threshold import DynamicThreshold
from processes.operation import rows_of
from processes.words import NotSpikes, Place, kind, meaning, not_spikes, role

meaning.always("fires against a threshold that a row's sum multiplies, which divides by that sum", DynamicThreshold)
kind.always("normalisation", DynamicThreshold)


@role.of(DynamicThreshold)
def _(op: DynamicThreshold, place: Place) -> str:
    """The role in a norm or in a softmax."""
    return "normalisation" if op.squared else "softmax, division"


@not_spikes.of(DynamicThreshold)
def _(op: DynamicThreshold, carried: str) -> NotSpikes:
    """The row's sum, one number for each row."""
    why = "a row's sum multiplies the thresholds of its neurons at every step; it reaches them as a number"
    return NotSpikes("Divisions", why, rows_of(op.shape))
