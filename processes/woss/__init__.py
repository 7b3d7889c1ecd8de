"""WOSS inhibition network (winner-oriented spike shift): softmax by a race, with no exponential computed.

A row of potentials v_j finds its winner, which inhibits the row by its own potential, so that the row's clock starts at
the winner. A threshold then falls by ln B per step: neuron j fires at the smallest k with

    v_max - v_j <= (k + 1/2) ln B / unit

or never. Decoded, e_j = B^-k ~ exp(unit (v_j - v_max)): a linear ramp read by an exponential trace is an exponential.
``unit`` is the real value of one unit of potential times the attention scale. The normaliser S = sum_j e_j is formed
where the row is divided (``dynamic_threshold``). Source: SpikedAttention, WOSS; the half step makes it unbiased.

How the winner is found: ``graded``, every neuron sends its potential to the row's inhibitory neuron as one graded spike
and gets the largest back (two steps); or ``race``, a threshold falls from the calibrated top until the first neurons
cross, and only those report their potential (binary spikes, ``race_steps`` more steps). The spikes that follow are the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from processes import kernels
from processes.fixed import saturate
from processes.operation import Operation, Window
from processes.phase_code import PhaseCode
from processes.spikes import as_numpy, empty_codes

EXCHANGE_STEPS = 2  # potentials to the inhibitory neuron, the largest back


@dataclass(eq=False, kw_only=True)
class Woss(Operation):
    """Rows along the last axis race; shape (..., heads, rows, keys).

    Attributes:
        ramp: thresholds on v_max - v, (heads or 1, T), real or integer.
        base, steps: the phase code its spikes are in.
        gain: attention scale (the ideal is exp(gain (v - v_max))).
        allowed: broadcast shape of a sample, False where a key is masked: it neither races nor fires.
        winner: how the winner is found.
        race_steps: length of the race (``winner="race"``).
        state_bits: width of the potentials; 0 in floating point.
    """

    ramp: np.ndarray
    base: float
    steps: int
    gain: float
    allowed: np.ndarray | None = None
    winner: Literal["graded", "race"] = "graded"
    race_steps: int = EXCHANGE_STEPS
    state_bits: int = 0

    name: ClassVar[str] = "woss"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    @property
    def scale(self) -> np.ndarray:
        """The winner's spike stands for exp(0) = 1."""
        return np.ones((1,) * len(self.shape))

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires once the winner is known."""
        start = max(ready) + (EXCHANGE_STEPS if self.winner == "graded" else self.race_steps)
        return Window(start, start + self.steps)

    def mask(self) -> np.ndarray:
        """``allowed`` as (windows, heads, rows, keys), each 1 or full, keys always full."""
        if self.allowed is None:
            return np.ones((1, 1, 1, self.shape[-1]), bool)
        four = self.allowed.reshape(-1, *((1,) * 3 + self.allowed.shape)[-3:])
        return np.ascontiguousarray(np.broadcast_to(four, (*four.shape[:3], self.shape[-1])))

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """exp(gain (v - v_max)) over allowed keys: softmax before its division."""
        v = inputs[0] * self.gain
        if self.allowed is not None:
            v = v.masked_fill(~torch.as_tensor(self.allowed), -torch.inf)
        return torch.exp(v - v.amax(-1, keepdim=True))

    def closed_form(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Codes (1, N, *shape), all signs positive."""
        v = inputs[0]
        codes = empty_codes(1, v, self.steps)
        heads, rows, keys = ((1,) * 3 + self.shape)[-3:]
        folded = as_numpy(v).reshape(-1, heads, rows, keys)
        ramp = self.ramp.astype(folded.dtype, copy=False)
        kernels.fire_ramp(folded, ramp, int(len(ramp) > 1), self.mask(), codes.numpy().reshape(folded.shape))
        return codes

    def stepper(self, window: Window, sources: list[Window]) -> WossStepper:
        """Integrates, finds the winner, then lets the threshold fall."""
        return WossStepper(self, window)


class WossStepper:
    """Potentials of one sample's rows and their inhibitory neurons."""

    def __init__(self, op: Woss, window: Window) -> None:
        self.op, self.start = op, window.start
        dims = op.shape
        self.ramp = np.ascontiguousarray(op.ramp.T).reshape(op.steps, *([len(op.ramp)] if len(dims) > 2 else []), 1, 1)
        self.allowed = np.broadcast_to(op.mask(), np.broadcast_shapes(op.mask().shape, ((1,) * 4 + dims)[-4:]))
        self.allowed = self.allowed.reshape(dims)
        self.reset()

    def reset(self) -> None:
        """Potentials to zero, everybody may fire."""
        self.v = np.zeros(self.op.shape, np.int64 if self.op.state_bits else np.float64)
        self.may_fire = self.allowed.copy()
        self.winner: np.ndarray | None = None

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        if messages[0] is not None:
            self.v += messages[0]
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        k = t - self.start
        if k == -1:
            least = np.iinfo(np.int64).min // 2 if self.op.state_bits else -np.inf
            self.winner = np.where(self.allowed, self.v, least).max(-1, keepdims=True)
        if not 0 <= k < self.op.steps or self.winner is None:
            return None
        fired = self.may_fire & (self.winner - self.v <= self.ramp[k])
        if not fired.any():
            return None
        self.may_fire &= ~fired
        return fired.astype(np.int8)
