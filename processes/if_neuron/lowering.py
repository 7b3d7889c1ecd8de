"""Lowering with integrate-and-fire neurons, which no lowered network has: they replace its neurons later."""

from __future__ import annotations

from processes.if_neuron import IfNeuron
from processes.lowering import multiplies, never_negative

multiplies.always(False, IfNeuron)
never_negative.refuse("these neurons take the place of lowered ones, whose signs are known", IfNeuron)
