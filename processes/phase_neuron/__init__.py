"""Phase neuron: integrates for one window, then fires against a falling threshold.

    integrate   v += message                       (saturating at the state width in fixed point)
    fire        smallest k with v >= pos_k: +      or lo_k <= v <= hi_k: -
    after a spike of sign z at k                   v -= z * s * L_k, go on from k + 1, up to ``spikes`` times

What it computes is set by its threshold schedule (``schedule.py``). Source: SpikedAttention's one-spike phase
coding; schedules for GELU, SiLU, ... and more than one spike are ours (DESIGN section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.fixed import saturate
from processes.operation import Operation, Window
from processes.phase_neuron.activations import ACTIVATIONS
from processes.phase_neuron.schedule import FixedSchedule, FloatSchedule
from processes.spikes import empty_codes, fold, parameter_axes
from processes import kernels


@dataclass(eq=False, kw_only=True)
class PhaseNeuron(Operation):
    """A population of phase neurons, one per value of the sample.

    Attributes:
        schedule: thresholds over k, per neuron or shared.
        spikes: most spikes per neuron and window, 1 to 3 (more than one only for identity and ReLU schedules).
        state_bits: width of the saturating potential; 0 in floating point.
    """

    schedule: FloatSchedule | FixedSchedule
    spikes: int = 1
    state_bits: int = 0

    name: ClassVar[str] = "phase_neuron"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at k = 0, broadcast shape."""
        return self.schedule.scale

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires as soon as its input is complete."""
        return Window(max(ready), max(ready) + self.schedule.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """f(v)."""
        return ACTIVATIONS[self.schedule.function].torch(inputs[0])

    def closed_form(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Codes (spikes, N, *shape) of potentials (N, *shape)."""
        v = inputs[0]
        codes = empty_codes(self.spikes, v, self.schedule.steps)
        shape = self.schedule.scale.shape
        axes = parameter_axes(self.shape, shape)
        book, factor, kind, exact = self.schedule.lookup
        factor = torch.from_numpy(factor if factor.size == 1 else factor.reshape(shape))
        book.codes(v.to(torch.float32) * factor, kind, axes, codes[0])
        if self.spikes > 1 or not exact or v.dtype == torch.float64:
            folded = fold(v, axes)
            tables = [t.astype(folded.dtype, copy=False) for t in self.schedule.tables]
            kernels.settle(folded, *tables, int(len(tables[0]) > 1), codes.numpy().reshape(-1, *folded.shape))
        return codes

    def stepper(self, window: Window, sources: list[Window]) -> PhaseNeuronStepper:
        """Integrates messages, fires in ``window``."""
        return PhaseNeuronStepper(self, window)


class PhaseNeuronStepper:
    """One potential per neuron; at each step of the window one comparison per neuron that may still fire."""

    def __init__(self, op: PhaseNeuron, window: Window) -> None:
        self.op, self.start, self.steps = op, window.start, op.schedule.steps
        shape = op.schedule.scale.shape
        self.tables = [np.ascontiguousarray(t.T).reshape(self.steps, *shape) for t in op.schedule.tables]
        self.reset()

    def reset(self) -> None:
        """Potentials to zero, no spikes spent."""
        self.v = np.zeros(self.op.shape, np.int64 if self.op.state_bits else np.float64)
        self.left = np.full(self.op.shape, self.op.spikes, np.int8)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of the spikes of this step, or None."""
        if messages[0] is not None:
            self.v += messages[0]
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        k = t - self.start
        if not 0 <= k < self.steps:
            return None
        pos, lo, hi, subtract = (table[k] for table in self.tables)
        plus = self.v >= pos
        sign = plus.astype(np.int8) - (~plus & (lo <= self.v) & (self.v <= hi))
        sign *= self.left > 0
        if not sign.any():
            return None
        self.left -= sign != 0
        if self.op.spikes > 1:
            self.v -= sign * subtract
        return sign
