"""Calibration of SI-norm: sets the power of two at which its digits begin, and the tables of its exponential."""

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
    """Set the scale to the smallest power of two that is no less than the largest share, at most 1."""
    scale = 2.0 ** min(0, math.ceil(math.log2(float(peak.max()))))
    return replace(op, scale=np.full((1,) * len(op.shape), scale))


@calibration.folded.of(SiNorm)
def _(op: SiNorm, at: Position, coding: Coding) -> SiNorm:
    """Set the tables by which it reads the spikes of its SI-exp operand, and the number of its steps."""
    exponential = at.operands[0].op
    assert isinstance(exponential, SiExp)
    return listening(op, exponential, coding.code.steps)


def listening(op: SiNorm, exponential: SiExp, steps: int) -> SiNorm:
    """The operation of ``steps`` steps, with the table and digits of the SI-exp operation ``exponential``."""
    return replace(op, output=exponential.output, digits=exponential.digits, steps=steps)
