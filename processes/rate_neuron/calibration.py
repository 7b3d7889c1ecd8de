"""Calibration of rate neurons, which is not by phase codes: their thresholds come with them."""

from __future__ import annotations

from processes.calibration import (
    NEW_SPIKES,
    OF_CODES,
    RATE_CODED,
    accepts,
    feature_axis,
    features,
    folded,
    observed,
    own_scale,
    picks,
    real_units,
    shared,
    unit,
    used,
    weights,
    worth,
)
from processes.rate_neuron import RateNeuron

for trait in (*OF_CODES, features, accepts, observed, shared, used, folded):
    trait.refuse(RATE_CODED, RateNeuron)
picks.refuse(NEW_SPIKES, RateNeuron)
feature_axis.always(-1, RateNeuron)
weights.always("none", RateNeuron)
worth.of(RateNeuron)(own_scale)
unit.of(RateNeuron)(real_units)
