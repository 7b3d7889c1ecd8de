"""Phase-coded neurons as LIF neurons, spike time for spike time.

The code is reversed in time: level B^-k is sent S - 1 - k steps into a window, so that late spikes weigh more and the
leak does the decoding. With beta = 1/B and a neuron u <- beta u + I, spike if u > Theta, then u = 0:

* window of integration: I = -(sum_j w_ij z_j), and -b_i at its last step; it ends with u = -a, the value to be coded;
* window of firing: I = V at first, then (1 - beta) V, so that after step j  u = V - a beta^(j+1).  With
  V - Theta = m_(S-1), the last midpoint, it fires at the first j with a < m_(S-2-j): at level k = S - 1 - j;
* X more at the last step makes saturated neurons fire at level 0. None fires twice.

A value below every midpoint fires first of all, at level S - 1. Where a spike sets u to zero, the windows are one step
longer than the code, S = T + 1, and that level means silence: a pulse makes every neuron fire at the first step of its
integration, which erases the spikes for silence that arrived with it, so the codes are the closed form's. Where spikes
subtract, S = T, and silent neurons send the lowest level. An identity is coded by two neurons, for a and for -a.

V is a power of two, so that single precision holds (1 - beta) V exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from targets.nir_plain.pulses import Neurons, Pulse
from targets.nir_plain.stages import Stage


@dataclass(frozen=True)
class Phase:
    """The phase code of one spike, at level B^-k, as LIF neurons send it.

    Attributes:
        base, steps: B and T of the code.
        zero: whether spikes set the potential to zero.
    """

    base: float
    steps: int
    zero: bool = True

    subtracts = False

    @property
    def window(self) -> int:
        """S, time steps of a window."""
        return self.steps + self.zero

    @property
    def beta(self) -> float:
        """Decay 1 / B, rounded to single precision."""
        return float(np.float32(1 / self.base))

    def neurons(self, stage: Stage, clears: bool) -> Neurons:
        """LIF neurons that code a stage; ``clears``: the stage before sends spikes for silence, which are erased."""
        size, beta, rows = self.window, self.beta, np.ones(len(stage.bias))
        reach = stage.reach() * 1.001
        top = 2.0 ** math.ceil(math.log2(max(2.0, reach + 1.01)))
        last_midpoint = beta ** (size - 1) * (1 + beta) / 2
        threshold = float(np.float32(top - last_midpoint))
        # the threshold is rounded to single precision; scale all that is compared with it alike
        ratio = (top - threshold) / last_midpoint
        pulses = {
            "bias": Pulse((size - 1,), -stage.bias * ratio, signed=True),
            "first": Pulse((size,), top * rows),
            "rest": Pulse(tuple(range(size + 1, 2 * size)), (1 - beta) * top * rows),
            "last": Pulse((2 * size - 1,), reach * ratio * beta**size * rows),
        }
        if self.zero and clears:
            pulses["clear"] = Pulse((0,), 4 * top * rows)
        return Neurons(threshold, -stage.weight * ratio, pulses)

    def when(self, codes: np.ndarray) -> np.ndarray:
        """Step of the window at which the spikes of codes (other than 0) are sent."""
        return self.window - np.abs(codes)

    def codes(self, spikes: np.ndarray) -> np.ndarray:
        """Codes (1, N, ...) from 0 (silence) to T of the spikes (N, S, ...) of a window."""
        fired = spikes > 0
        code = np.where(fired.any(1), self.window - fired.argmax(1), 0)
        return np.where(code > self.steps, 0, code)[None]  # a spike of this level means silence

    def signed(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """Combine codes of neurons for a and of neurons for -a to signed codes."""
        if not self.zero:  # the lowest level is sent for silence, too
            lowest = (positive == self.steps) & (negative == self.steps)
            positive, negative = (np.where(lowest | (c == self.steps), 0, c) for c in (positive, negative))
        return positive - negative

    def levels(self, coded: bool) -> np.ndarray:
        """Value of a spike at each step of a window, (S,); ``coded``: sent by neurons, which also send silence."""
        levels = self.base ** -np.arange(self.window - 1, -1, -1.0)
        levels[0] *= not (self.zero and coded)
        return levels
