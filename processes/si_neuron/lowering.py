"""Lowering with SI-neurons: what they are fitted to, GELU and SiLU, has negative values."""

from __future__ import annotations

from processes.lowering import multiplies, never_negative, nowhere
from processes.si_neuron import SiNeuron

multiplies.always(False, SiNeuron)
never_negative.of(SiNeuron)(nowhere)
