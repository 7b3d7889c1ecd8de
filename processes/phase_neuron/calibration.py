"""Calibration of phase neurons: a scale by feature, and thresholds in units of the potential that they hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from processes.calibration import (
    NEW_SPIKES,
    Coding,
    Position,
    accepts,
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
    with_spikes,
    worth,
)
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import LINEAR

features.of(PhaseNeuron)(as_operand)
feature_axis.always(-1, PhaseNeuron)
weights.always("none", PhaseNeuron)
accepts.always("any units", PhaseNeuron)
observed.of(PhaseNeuron)(lambda op, shape: largest_by_feature(shape))
coded.of(PhaseNeuron)(with_spikes)
worth.of(PhaseNeuron)(own_scale)
picks.refuse(NEW_SPIKES, PhaseNeuron)
unit.of(PhaseNeuron)(real_units)
shared.always((), PhaseNeuron)
used.always(None, PhaseNeuron)


@factors.of(PhaseNeuron)
def _(op: PhaseNeuron) -> Literal["any", "octaves"]:
    """Nonlinear functions have tables for each power of two."""
    return "any" if op.schedule.function in LINEAR else "octaves"


@scaled.of(PhaseNeuron)
def _(op: PhaseNeuron, peak: np.ndarray, octaves: bool) -> PhaseNeuron:
    """The largest of each feature, or the power of two from there on."""
    if octaves:
        peak = peak.max(tuple(range(peak.ndim - 1)), keepdims=True)
    if octaves or factors(op) == "octaves":
        peak = 2.0 ** np.ceil(np.log2(peak))
    return replace(op, schedule=replace(op.schedule, scale=peak, unit=np.ones_like(peak)))


@rescaled.of(PhaseNeuron)
def _(op: PhaseNeuron, scale: np.ndarray) -> PhaseNeuron:
    """Its schedule with this scale."""
    return replace(op, schedule=replace(op.schedule, scale=scale))


@folded.of(PhaseNeuron)
def _(op: PhaseNeuron, at: Position, coding: Coding) -> PhaseNeuron:
    """Its schedule in units of what it hears."""
    heard = np.ascontiguousarray(np.broadcast_to(at.operands[0].unit, op.scale.shape))
    schedule = replace(op.schedule, unit=heard, base=coding.code.base, steps=coding.code.steps)
    return replace(op, schedule=schedule)
