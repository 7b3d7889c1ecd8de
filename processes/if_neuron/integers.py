"""Integrate-and-fire neurons of the baselines, which stay in floating point."""

from __future__ import annotations

from processes.if_neuron import IfNeuron
from processes.integers import integers

integers.refuse("it belongs to baselines in floating point, which have no fixed-point form", IfNeuron)
