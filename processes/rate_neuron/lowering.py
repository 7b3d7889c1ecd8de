"""Lowering with rate neurons, which no lowered network has: they replace its neurons later."""

from __future__ import annotations

from processes.lowering import multiplies, never_negative
from processes.rate_neuron import RateNeuron

multiplies.always(False, RateNeuron)
never_negative.refuse("rate neurons take the place of lowered ones, whose signs are known", RateNeuron)
