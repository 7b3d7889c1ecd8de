"""Calibration of k winners: values that are compared need one scale; the worth of a winner's spike is fixed, 1."""

from __future__ import annotations

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Position, Round, Wanted
from processes.winners import Winners

calibration.features.of(Winners)(calibration.as_operand)
calibration.feature_axis.always(-1, Winners)
calibration.weights.always("none", Winners)
calibration.accepts.always("any scales", Winners)
calibration.observed.always(None, Winners)
calibration.scaled.of(Winners)(calibration.as_it_is)  # a winner is 1
calibration.rescaled.of(Winners)(calibration.as_it_is)
calibration.factors.always("none", Winners)
calibration.coded.of(Winners)(calibration.as_it_is)  # by one spike
calibration.worth.of(Winners)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, Winners)
calibration.unit.of(Winners)(calibration.real_units)
calibration.used.always(None, Winners)
calibration.folded.of(Winners)(calibration.unfolded)


@calibration.shared.of(Winners)
def _(op: Winners, step: Round, at: Position, together: bool) -> Wanted:
    """One scale for each group, its largest, so that the earlier spike has the larger value."""
    scale: np.ndarray = at.operands[0].scale
    return (scale.max(-1, keepdims=True),) if step == "fields" else ()
