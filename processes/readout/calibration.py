"""Calibration of the readout: it hands on potentials in the units in which they come."""

from __future__ import annotations

from processes.calibration import (
    NEW_SPIKES,
    NO_SPIKES,
    OF_CODES,
    accepts,
    as_operand,
    feature_axis,
    features,
    folded,
    observed,
    picks,
    real_units,
    shared,
    unfolded,
    unit,
    used,
    weights,
    worth,
)
from processes.readout import Readout

for trait in (*OF_CODES, worth):
    trait.refuse(NO_SPIKES, Readout)
picks.refuse(NEW_SPIKES, Readout)
observed.always(None, Readout)
weights.always("none", Readout)
used.always(None, Readout)
feature_axis.always(-1, Readout)
accepts.always("binary units", Readout)
shared.always((), Readout)
unit.of(Readout)(real_units)
features.of(Readout)(as_operand)
folded.of(Readout)(unfolded)
