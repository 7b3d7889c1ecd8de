"""Calibration of SI-norm: the power of two from which on shares are spelled, and the tables of its exponential."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Position
from processes.si_exp import SiExp
from processes.si_norm import SiNorm

calibration.rescaled.of(SiNorm)(calibration.as_it_is)
calibration.coded.of(SiNorm)(calibration.as_it_is)
calibration.factors.always("none", SiNorm)
calibration.features.of(SiNorm)(calibration.as_operand)
calibration.feature_axis.always(-1, SiNorm)
calibration.weights.always("none", SiNorm)
calibration.accepts.always("any scales", SiNorm)
calibration.observed.of(SiNorm)(lambda op, shape: calibration.largest_by_feature((1,) * len(op.shape)))
calibration.worth.of(SiNorm)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, SiNorm)
calibration.unit.of(SiNorm)(calibration.real_units)
calibration.shared.always((), SiNorm)
calibration.used.always(None, SiNorm)


@calibration.scaled.of(SiNorm)
def _(op: SiNorm, peak: np.ndarray, octaves: bool) -> SiNorm:
    """The power of two from the largest share on, at most 1."""
    scale = 2.0 ** min(0, math.ceil(math.log2(float(peak.max()))))
    return replace(op, scale=np.full((1,) * len(op.shape), scale))


@calibration.folded.of(SiNorm)
def _(op: SiNorm, at: Position, coding: Coding) -> SiNorm:
    """Reads its exponential by the tables that this has."""
    exponential = at.operands[0].op
    assert isinstance(exponential, SiExp)
    return listening(op, exponential, coding.code.steps)


def listening(op: SiNorm, exponential: SiExp, steps: int) -> SiNorm:
    """With the tables by which it reads this exponential."""
    return replace(op, output=exponential.output, digits=exponential.digits, steps=steps)
