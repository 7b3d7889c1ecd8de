"""Rate-coded neurons as integrate-and-fire neurons whose spikes subtract the threshold, spike for spike.

With thresholds of 1, integration ends with u = a - X: a pulse -X at its start holds the neuron below its threshold. At
the start of the next window X + b + 1/2 sets it free, and it fires once a step while u > 1: floor(a + 1/2) times, at most
S = T times, for then -X stops it. NIR's IF is broken in snnTorch, so it is a LIF that forgets 2^-40 of its potential a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from targets.nir_plain.pulses import Neurons, Pulse
from targets.nir_plain.stages import Stage


@dataclass(frozen=True)
class Rate:
    """Up to T spikes, each worth 1."""

    steps: int

    base = 1.0
    beta = 1 - 2.0**-40
    subtracts = True

    @property
    def window(self) -> int:
        """S = T."""
        return self.steps

    def neurons(self, stage: Stage, clears: bool) -> Neurons:
        """Those that code a stage."""
        rows, size = np.ones(len(stage.bias)), self.window
        held = 2.0 ** math.ceil(math.log2(stage.reach() * size + size + 1))
        pulses = {
            "hold": Pulse((0, 2 * size), -held * rows),
            "free": Pulse((size,), (held + 0.5) * rows),
            "bias": Pulse((size,), stage.bias, signed=True),
        }
        return Neurons(1.0, stage.weight, pulses)

    def when(self, codes: np.ndarray) -> np.ndarray:
        """Step of the window at which the spikes of codes (other than 0) are sent."""
        return np.abs(codes) - 1

    def codes(self, spikes: np.ndarray) -> np.ndarray:
        """Codes (T, N, ...), from 0, of the numbers of spikes (N, S, ...) at each step of a window."""
        steps = np.arange(1, self.window + 1).reshape(-1, *[1] * (spikes.ndim - 1))
        return np.where(steps <= spikes.sum(1)[None], steps, 0)

    def signed(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """Codes of neurons for a and neurons for -a as one."""
        return positive - negative

    def levels(self, coded: bool) -> np.ndarray:
        """Ones, (S,)."""
        return np.ones(self.window)
