"""Calibration of rate neurons: none here, as their thresholds are set when they are made (:mod:`converters.rate`)."""

from __future__ import annotations

from processes import calibration
from processes.calibration import NEW_SPIKES, OF_CODES, RATE_CODED
from processes.rate_neuron import RateNeuron

for trait in (
    *OF_CODES,
    calibration.features,
    calibration.accepts,
    calibration.observed,
    calibration.shared,
    calibration.used,
    calibration.folded,
):
    trait.refuse(RATE_CODED, RateNeuron)
calibration.picks.refuse(NEW_SPIKES, RateNeuron)
calibration.feature_axis.always(-1, RateNeuron)
calibration.weights.always("none", RateNeuron)
calibration.worth.of(RateNeuron)(calibration.own_scale)
calibration.unit.of(RateNeuron)(calibration.real_units)
