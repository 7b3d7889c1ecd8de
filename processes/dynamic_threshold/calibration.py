"""Calibration of dynamic thresholds: a table of thresholds in units of the potential for each unit of the row's sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Position
from processes.dynamic_threshold import DynamicThreshold

calibration.features.of(DynamicThreshold)(calibration.as_operand)
calibration.feature_axis.always(-1, DynamicThreshold)
calibration.weights.always("none", DynamicThreshold)
calibration.accepts.always("binary units", DynamicThreshold)
calibration.observed.of(DynamicThreshold)(lambda op, shape: calibration.largest_by_feature(shape))
calibration.coded.of(DynamicThreshold)(calibration.with_spikes)
calibration.factors.always("any", DynamicThreshold)
calibration.worth.of(DynamicThreshold)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, DynamicThreshold)
calibration.unit.of(DynamicThreshold)(calibration.real_units)
calibration.shared.always((), DynamicThreshold)
calibration.used.always(None, DynamicThreshold)


@calibration.scaled.of(DynamicThreshold)
def _(op: DynamicThreshold, peak: np.ndarray, octaves: bool) -> DynamicThreshold:
    """The neuron with the peak of each column as scale: rows, which have divisors of their own, share it.

    A scale per head is repeated for all of the head's columns.
    """
    peak = peak.max(-2, keepdims=True)
    wide = np.broadcast_to(peak, (*peak.shape[:-1], op.shape[-1])).copy() if peak.size > 1 else peak
    return replace(op, scale=wide)


@calibration.rescaled.of(DynamicThreshold)
def _(op: DynamicThreshold, scale: np.ndarray) -> DynamicThreshold:
    """The neuron with another scale."""
    return replace(op, scale=scale)


@calibration.folded.of(DynamicThreshold)
def _(op: DynamicThreshold, at: Position, coding: Coding) -> DynamicThreshold:
    """The neuron with a table of thresholds by step: theta_k^2 / n for a norm, else theta_k in the dividend's units."""
    code, (divided, divisor) = coding.code, at.operands
    theta, own = op.scale.reshape(-1, 1) * code.midpoints, replace(op, base=code.base, steps=code.steps)
    if op.squared:
        return replace(own, table=theta**2 / op.features, low=half_silent(divisor))
    heard = np.broadcast_to(divided.unit, op.scale.shape)
    return replace(own, trace=divisor.code.levels, table=theta / heard.reshape(-1, 1))


def half_silent(squares: Position) -> float:
    """Sum of squares of a row of normally distributed values half of which lie below their code's last midpoint."""
    (operand,) = squares.operands
    median = 0.6745  # of |x| for standard normal x
    smallest = operand.code.midpoints[-1]
    return float(operand.shape[-1] * (operand.scale**2).mean() * (smallest / median) ** 2)
