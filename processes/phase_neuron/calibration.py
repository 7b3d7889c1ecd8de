"""Calibration of phase neurons: a scale by feature, and thresholds in units of the potential that they integrate."""

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
    """Any factor for a linear function; powers of two for others, which have one table for each power of two."""
    return "any" if op.schedule.function in LINEAR else "octaves"


@calibration.scaled.of(PhaseNeuron)
def _(op: PhaseNeuron, peak: np.ndarray, octaves: bool) -> PhaseNeuron:
    """The neuron with each feature's peak as scale, rounded up to a power of two for nonlinear functions or readers."""
    if octaves:
        peak = peak.max(tuple(range(peak.ndim - 1)), keepdims=True)
    if octaves or calibration.factors(op) == "octaves":
        peak = 2.0 ** np.ceil(np.log2(peak))
    return replace(op, schedule=replace(op.schedule, scale=peak, unit=np.ones_like(peak)))


@calibration.rescaled.of(PhaseNeuron)
def _(op: PhaseNeuron, scale: np.ndarray) -> PhaseNeuron:
    """The neuron with another scale in its schedule."""
    return replace(op, schedule=replace(op.schedule, scale=scale))


@calibration.folded.of(PhaseNeuron)
def _(op: PhaseNeuron, at: Position, coding: Coding) -> PhaseNeuron:
    """The neuron with its chosen code, and its schedule in units of the potential that arrives.

    Units may differ along axes along which the scale does not: those of a product follow from its operands' scales.
    """
    unit = at.operands[0].unit
    shape = np.broadcast_shapes(unit.shape, op.scale.shape)
    scale, unit = (np.ascontiguousarray(np.broadcast_to(a, shape)) for a in (op.scale, unit))
    latest = None if op.latest is None else np.broadcast_to(op.latest, shape)
    schedule = replace(op.schedule, scale=scale, unit=unit, base=coding.code.base, steps=coding.code.steps)
    return replace(op, schedule=schedule, latest=latest)
