"""Calibration of SI-norm: the power of two from which on shares are spelled, and the tables of its exponential."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.calibration import (
    NEW_SPIKES,
    Coding,
    Position,
    accepts,
    as_it_is,
    as_operand,
    coded,
    factors,
    feature_axis,
    features,
    folded,
    largest_by_feature,
    observed,
    own_scale,
    picks,
    real_units,
    rescaled,
    scaled,
    shared,
    unit,
    used,
    weights,
    worth,
)
from processes.si_exp import SiExp
from processes.si_norm import SiNorm

rescaled.of(SiNorm)(as_it_is)
coded.of(SiNorm)(as_it_is)
factors.always("none", SiNorm)
features.of(SiNorm)(as_operand)
feature_axis.always(-1, SiNorm)
weights.always("none", SiNorm)
accepts.always("any scales", SiNorm)
observed.of(SiNorm)(lambda op, shape: largest_by_feature((1,) * len(op.shape)))
worth.of(SiNorm)(own_scale)
picks.refuse(NEW_SPIKES, SiNorm)
unit.of(SiNorm)(real_units)
shared.always((), SiNorm)
used.always(None, SiNorm)


@scaled.of(SiNorm)
def _(op: SiNorm, peak: np.ndarray, octaves: bool) -> SiNorm:
    """The power of two from the largest share on, at most 1."""
    scale = 2.0 ** min(0, math.ceil(math.log2(float(peak.max()))))
    return replace(op, scale=np.full((1,) * len(op.shape), scale))


@folded.of(SiNorm)
def _(op: SiNorm, at: Position, coding: Coding) -> SiNorm:
    """Reads its exponential by the tables that this has."""
    exponential = at.operands[0].op
    assert isinstance(exponential, SiExp)
    return listening(op, exponential, coding.code.steps)


def listening(op: SiNorm, exponential: SiExp, steps: int) -> SiNorm:
    """With the tables by which it reads this exponential."""
    return replace(op, output=exponential.output, digits=exponential.digits, steps=steps)
