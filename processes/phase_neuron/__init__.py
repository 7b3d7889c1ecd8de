"""Phase neuron: integrates for one window, then fires against a falling threshold.

    integrate   v += message                       (saturating at the state width in fixed point)
    fire        smallest k with v >= pos_k: +      or lo_k <= v <= hi_k: -
    after a spike of sign z at k                   v -= z * s * L_k, go on from k + 1 with +-pos, up to ``spikes`` times
    if f is not linear                             go on with thresholds on v that depend on the first spike

What it computes is set by its threshold schedule (``schedule.py``). Source: SpikedAttention's one-spike phase
coding; schedules for GELU, SiLU, ... and more than one spike are ours (DESIGN section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.fixed import saturate
from processes.kernels.settle import settle, settle_sequel
from processes.operation import Operation, Window
from processes.phase_code import PhaseCode
from processes.phase_neuron.activations import ACTIVATIONS
from processes.phase_neuron.schedule import FixedSchedule, FloatSchedule, Sequel
from processes.spikes import empty_codes, fold, parameter_axes
from processes.thresholds import ALWAYS, NEVER, scaled_entry


@dataclass(eq=False, kw_only=True)
class PhaseNeuron(Operation):
    """A population of phase neurons, one per value of the sample.

    Attributes:
        schedule: thresholds over k, per neuron or shared.
        spikes: most spikes per neuron and window, 1 to 3, but 1 or 2 for functions that are not linear.
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

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return self.schedule.code

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
        axes = parameter_axes(self.shape, self.schedule.scale.shape)
        book, factor, kind, exact = self.schedule.lookup
        book.first(v, factor, kind, axes, codes)
        sequel = None
        if self.spikes > 1:
            rest, sequel = self.schedule.rest, self.schedule.sequel
            if rest.unit is None:
                rest.book.further(v, factor, rest.level, axes, codes)
            else:
                unit = torch.from_numpy(rest.unit.astype(np.float32))
                real = ACTIVATIONS[self.schedule.function].torch(v * unit)
                rest.book.further(real, 1 / self.scale, rest.level, axes, codes)
        guessed = v.dtype == torch.float64 or not exact
        if guessed or (self.state_bits and sequel is not None):
            self._settle(fold(v, axes), codes, sequel, guessed)
        return codes

    def _settle(self, v: np.ndarray, codes: torch.Tensor, sequel: Sequel | None, guessed: bool) -> None:
        """Codes by the definition's comparisons, from guesses; v folded. Unless ``guessed``, first codes are exact."""
        planes = codes.numpy().reshape(-1, *v.shape)
        if guessed:
            pos, lo, hi, subtract = self._compared
            settle(v, pos, lo, hi, subtract, int(len(pos) > 1), planes if sequel is None else planes[:1])
        if sequel is not None:
            tables, kind, factor, exact = self._sequel
            settle_sequel(v, tables, kind, factor, exact, int(len(kind) > 1), planes)

    @cached_property
    def _compared(self) -> list[np.ndarray]:
        """Tables as ``settle`` compares with them: the first three between a step that never fires and one that always does."""
        *tables, subtract = (table.astype(float) for table in self.schedule.tables)
        ends = zip(tables, (np.inf, np.inf, -np.inf), (-np.inf, np.inf, -np.inf), strict=True)
        padded = [np.pad(t, ((0, 0), (1, 1)), constant_values=(never, always)) for t, never, always in ends]
        return [*padded, np.broadcast_to(subtract, tables[0].shape).copy()]

    @cached_property
    def _sequel(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """The schedule's second spikes as ``settle_sequel`` takes them: tables, kind, factor, and whether they are integers."""
        sequel = self.schedule.sequel
        assert sequel is not None
        tables, kind, factor, shift = sequel
        if shift is None:
            return tables, kind, factor, False
        # entries have few enough bits for float32
        tables = np.where(tables >= NEVER, np.inf, np.where(tables <= ALWAYS, -np.inf, tables)).astype(np.float32)
        return tables, kind, factor * 0.5**shift, True

    def stepper(self, window: Window, sources: list[Window]) -> PhaseNeuronStepper:
        """Integrates messages, fires in ``window``."""
        return PhaseNeuronStepper(self, window)


class PhaseNeuronStepper:
    """One potential per neuron; at each step of the window one comparison per neuron that may still fire."""

    def __init__(self, op: PhaseNeuron, window: Window) -> None:
        self.op, self.start, self.steps = op, window.start, op.schedule.steps
        shape = op.schedule.scale.shape
        self.tables = [np.ascontiguousarray(t.T).reshape(self.steps, *shape) for t in op.schedule.tables]
        self.sequel = None
        if op.spikes > 1 and (sequel := op.schedule.sequel) is not None:
            per_neuron = (a if a is None else np.broadcast_to(a.reshape(shape), op.shape) for a in sequel[1:])
            self.sequel = Sequel(sequel.tables, *per_neuron)  # type: ignore[arg-type]
        self.reset()

    def reset(self) -> None:
        """Potentials to zero, no spikes spent."""
        self.v = np.zeros(self.op.shape, np.int64 if self.op.state_bits else np.float64)
        self.left = np.full(self.op.shape, self.op.spikes, np.int8)
        self.first = np.zeros(self.op.shape, np.int16)

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
        if self.op.spikes > 1 and (self.left < self.op.spikes).any():
            self._go_on(sign, pos, k)
        sign *= self.left > 0
        if not sign.any():
            return None
        self.left -= sign != 0
        if self.sequel is not None:
            self.first += sign * (self.first == 0) * np.int16(k + 1)
        elif self.op.spikes > 1:
            self.v -= sign * subtract
        return sign

    def _go_on(self, sign: np.ndarray, pos: np.ndarray, k: int) -> None:
        """Put into ``sign`` what the neurons that have fired before do at k."""
        fired = np.nonzero((self.left < self.op.spikes) & (self.left > 0))
        v = self.v[fired]
        if self.sequel is None:
            rest = np.broadcast_to(pos, self.v.shape)[fired]
            sign[fired] = (v >= rest).astype(np.int8) - (v <= -rest)
            return
        tables, kind, factor, shift = self.sequel
        entries = tables[kind[fired], self.first[fired] + self.steps, :, k].T
        above, below, lo, hi = scaled_entry(entries, factor[fired], None if shift is None else shift[fired])
        plus = (v >= above) | (v <= below)
        sign[fired] = plus.astype(np.int8) - (~plus & (lo <= v) & (v <= hi))
