"""Calibration of phase neurons: a scale by feature, and thresholds in units of the potential that they hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, Coding, Position
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import LINEAR

calibration.features.of(PhaseNeuron)(calibration.as_operand)
calibration.feature_axis.always(-1, PhaseNeuron)
calibration.weights.always("none", PhaseNeuron)
calibration.accepts.always("any units", PhaseNeuron)
calibration.observed.of(PhaseNeuron)(lambda op, shape: calibration.largest_by_feature(shape))
calibration.coded.of(PhaseNeuron)(calibration.with_spikes)
calibration.worth.of(PhaseNeuron)(calibration.own_scale)
calibration.picks.refuse(NEW_SPIKES, PhaseNeuron)
calibration.unit.of(PhaseNeuron)(calibration.real_units)
calibration.shared.always((), PhaseNeuron)
calibration.used.always(None, PhaseNeuron)


@calibration.factors.of(PhaseNeuron)
def _(op: PhaseNeuron) -> Literal["any", "octaves"]:
    """Nonlinear functions have tables for each power of two."""
    return "any" if op.schedule.function in LINEAR else "octaves"


@calibration.scaled.of(PhaseNeuron)
def _(op: PhaseNeuron, peak: np.ndarray, octaves: bool) -> PhaseNeuron:
    """The largest of each feature, or the power of two from there on."""
    if octaves:
        peak = peak.max(tuple(range(peak.ndim - 1)), keepdims=True)
    if octaves or calibration.factors(op) == "octaves":
        peak = 2.0 ** np.ceil(np.log2(peak))
    return replace(op, schedule=replace(op.schedule, scale=peak, unit=np.ones_like(peak)))


@calibration.rescaled.of(PhaseNeuron)
def _(op: PhaseNeuron, scale: np.ndarray) -> PhaseNeuron:
    """Its schedule with this scale."""
    return replace(op, schedule=replace(op.schedule, scale=scale))


@calibration.folded.of(PhaseNeuron)
def _(op: PhaseNeuron, at: Position, coding: Coding) -> PhaseNeuron:
    """Its schedule in units of what it hears."""
    heard = np.ascontiguousarray(np.broadcast_to(at.operands[0].unit, op.scale.shape))
    schedule = replace(op.schedule, unit=heard, base=coding.code.base, steps=coding.code.steps)
    return replace(op, schedule=schedule)
