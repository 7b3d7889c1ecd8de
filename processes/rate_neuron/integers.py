"""Rate neurons, which stay in floating point."""

from __future__ import annotations

from processes.integers import integers
from processes.rate_neuron import RateNeuron

integers.refuse("rate coding is a baseline in floating point and has no fixed-point form", RateNeuron)
