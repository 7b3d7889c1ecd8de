"""Calibration of integrate-and-fire neurons, which replace scaled neurons and take their thresholds from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, OF_CODES, Coding, Position
from processes.if_neuron import IfNeuron

GIVEN = "its thresholds come with it, from the neurons whose place it takes (converters.integrate_and_fire)"

for trait in (*OF_CODES, calibration.observed):
    trait.refuse(GIVEN, IfNeuron)
calibration.picks.refuse(NEW_SPIKES, IfNeuron)
calibration.features.of(IfNeuron)(calibration.as_operand)
calibration.feature_axis.always(-1, IfNeuron)
calibration.weights.always("none", IfNeuron)
calibration.accepts.always("any units", IfNeuron)
calibration.worth.of(IfNeuron)(calibration.own_scale)
calibration.unit.of(IfNeuron)(calibration.real_units)
calibration.shared.always((), IfNeuron)
calibration.used.always(None, IfNeuron)


@calibration.folded.of(IfNeuron)
def _(op: IfNeuron, at: Position, coding: Coding) -> IfNeuron:
    """Convert threshold and bias to units of the operand's potential."""
    heard = at.operands[0].unit
    return replace(op, threshold=np.asarray(op.threshold / heard), bias=np.asarray(op.bias / heard))
