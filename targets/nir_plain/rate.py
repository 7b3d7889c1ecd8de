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
    """The rate code of up to T = ``steps`` spikes, each of value 1, as LIF neurons send it."""

    steps: int

    base = 1.0
    beta = 1 - 2.0**-40
    subtracts = True

    @property
    def window(self) -> int:
        """S = T, time steps of a window."""
        return self.steps

    def neurons(self, stage: Stage, clears: bool) -> Neurons:
        """Neurons that code a stage; ``clears`` is ignored, as silence sends no spikes."""
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
        """Codes (T, N, ...), 1 .. n and then 0, of n spikes in a window, given the numbers (N, S, ...) at each step."""
        steps = np.arange(1, self.window + 1).reshape(-1, *[1] * (spikes.ndim - 1))
        return np.where(steps <= spikes.sum(1)[None], steps, 0)

    def signed(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """Combine codes of neurons for a and of neurons for -a to signed codes."""
        return positive - negative

    def levels(self, coded: bool) -> np.ndarray:
        """Value of a spike at each step of a window: ones, (S,); ``coded`` is ignored."""
        return np.ones(self.window)
