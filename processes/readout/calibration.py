"""Calibration of the readout: it passes potentials on in the units of its operand."""

from __future__ import annotations

from processes import calibration
from processes.calibration import NEW_SPIKES, NO_SPIKES, OF_CODES
from processes.readout import Readout

for trait in (*OF_CODES, calibration.worth):
    trait.refuse(NO_SPIKES, Readout)
calibration.picks.refuse(NEW_SPIKES, Readout)
calibration.observed.always(None, Readout)
calibration.weights.always("none", Readout)
calibration.used.always(None, Readout)
calibration.feature_axis.always(-1, Readout)
calibration.accepts.always("binary units", Readout)
calibration.shared.always((), Readout)
calibration.unit.of(Readout)(calibration.real_units)
calibration.features.of(Readout)(calibration.as_operand)
calibration.folded.of(Readout)(calibration.unfolded)
