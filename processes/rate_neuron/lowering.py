"""Lowering with rate neurons, which only come after it."""

from __future__ import annotations

from processes.lowering import multiplies, never_negative
from processes.rate_neuron import RateNeuron

multiplies.always(False, RateNeuron)
never_negative.refuse("rate neurons take the place of lowered ones, whose signs are known", RateNeuron)
