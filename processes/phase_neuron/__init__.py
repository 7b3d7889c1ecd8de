"""Phase neuron: integrates for one window, then fires against a falling threshold.

    integrate   v += message                       (saturating at the state width in fixed point)
    fire        smallest k with v >= pos_k: +      or lo_k <= v <= hi_k: -
    after a spike of sign z at k                   v -= z * s * L_k, go on from k + 1 with +-pos, up to ``spikes`` times
                                                   and to the step ``latest``
    if f is not linear                             go on with thresholds on v that depend on what was sent

What it computes is set by its threshold schedule (``schedule.py``). Source: SpikedAttention's one-spike phase
coding; schedules for GELU, SiLU, ... and more than one spike are ours (docs/design.md, Several spikes).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.tables import Lookup, PhaseTables
from processes.kernels.stepped import fire_first, integrate
from processes.kernels.windows import fire_first_all, fire_several_all
from processes.operation import Operation, Result, Window
from processes.phase_code import UNCODED, PhaseCode
from processes.phase_neuron.activations import activation
from processes.phase_neuron.schedule import FixedSchedule, FloatSchedule
from processes.phase_neuron.schedule import Lookup as Compiled
from processes.sent import Once, Operands, Sent, Stepwise, complete
from processes.spikes import by_step, may_fire, parameter_axes, per_neuron, silence_after
from processes.thresholds import scaled_entry


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseNeuron(Operation):
    """A population of phase neurons, one per value of the sample.

    Attributes:
        schedule: thresholds over k, per neuron or shared.
        spikes: most spikes per neuron and window, 1 to 3.
        latest: last step at which a neuron that has fired may fire again, integers of broadcast shape; None: T - 1.
        state_bits: width of the saturating potential; 0 in floating point.
    """

    schedule: FloatSchedule | FixedSchedule
    spikes: int = 1
    latest: np.ndarray | None = None
    state_bits: int = 0

    name: ClassVar[str] = "phase_neuron"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    shapeless: ClassVar[tuple[str, ...]] = ("_lookup",)

    @classmethod
    def uncoded(cls, shape: tuple[int, ...], function: str = "identity") -> PhaseNeuron:
        """Neurons of ``shape`` that compute ``function`` in a lowered network; calibration chooses their scale and code."""
        one = np.ones((1,) * len(shape))
        schedule = FloatSchedule(function=function, scale=one, unit=one, base=UNCODED.base, steps=UNCODED.steps)
        return cls(shape=shape, schedule=schedule)

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at k = 0, broadcast shape."""
        return self.schedule.scale

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return self.schedule.code

    @property
    def steps(self) -> int:
        """T, the steps of its window."""
        return self.schedule.steps

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires for T steps, as soon as its input is complete."""
        return Window(max(ready), max(ready) + self.schedule.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """f(v) of potentials v (N, *shape) in real units, f being the schedule's function."""
        return activation(self.schedule.function).torch(inputs[0])

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (spikes, N, *shape) of potentials (N, *shape)."""
        codes = backend_of(inputs[0]).fire(inputs[0], self._tables, self.spikes)
        silence_after(codes, self.latest)
        return Result(codes)

    @cached_property
    def _tables(self) -> PhaseTables:
        """The schedule as backends take it: its tables as float64, its codebook, and tables of further spikes."""
        axes = parameter_axes(self.shape, self.schedule.scale.shape)
        book, factor, kind, units = self._lookup
        scale, begin = per_neuron(factor, axes, np.float32), per_neuron(book.begin(kind), axes, np.uint32)
        shape = self.schedule.tables[0].shape
        pos, lo, hi, subtract = (np.ascontiguousarray(np.broadcast_to(t, shape), float) for t in self.schedule.tables)
        further = self.schedule.further(self.spikes)
        return PhaseTables(axes, Lookup(book, scale, begin, units), (pos, lo, hi, subtract), further)

    @cached_property
    def _lookup(self) -> Compiled:
        return self.schedule.lookup(self.spikes)

    def stepper(self, window: Window, sources: list[Window]) -> PhaseNeuronStepper:
        """A stepper that integrates messages and fires in ``window``."""
        return PhaseNeuronStepper(self, window)


class PhaseNeuronStepper:
    """One potential per neuron; at each step of the window one comparison per neuron that may still fire."""

    def __init__(self, op: PhaseNeuron, window: Window) -> None:
        self.op, self.start, self.steps = op, window.start, op.schedule.steps
        shape = op.schedule.scale.shape
        self.axes = parameter_axes(op.shape, shape)
        self.message = np.int64 if op.state_bits else np.float64
        self.limit = 2 ** (op.state_bits - 1) - 1 if op.state_bits else None
        pos, lo, hi, subtract = op.schedule.tables
        self.first = np.stack([by_step(table, self.axes, self.message) for table in (pos, lo, hi)])
        # more 32-bit potentials are compared at once; thresholds beyond 32 bits are clipped, still out of their reach
        bits = np.iinfo(np.int32)
        fits = self.limit is not None and self.limit < bits.max
        self.narrow = self.first.clip(bits.min, bits.max).astype(np.int32) if fits else self.first
        self.pos, self.subtract = (np.ascontiguousarray(t.T).reshape(-1, *shape) for t in (pos, subtract))
        self.further = op.schedule.further(op.spikes)
        if self.further is not None:
            _, _, *parameters = self.further
            self.own = [None if a is None else np.broadcast_to(a.reshape(shape), op.shape) for a in parameters]
        self.reset()

    def reset(self) -> None:
        """Set potentials to zero and give every neuron all its spikes."""
        self.v = np.zeros(self.op.shape, self.message)
        self.left = np.full(self.op.shape, self.op.spikes, np.int8)
        self.row = np.zeros(self.op.shape, np.int32)
        self.flat = self.v.reshape(-1), self.left.reshape(-1)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of the spikes of this step, or None."""
        v, left = self.flat
        if messages[0] is not None:
            integrate(v, messages[0].reshape(-1), self.limit)
        k = t - self.start
        if not 0 <= k < self.steps:
            return None
        flat = np.empty(len(v), np.int8)
        once = self.op.spikes == 1
        fires = fire_first(v, self.axes, self.first, k, left, once, flat)
        sign = flat.reshape(self.op.shape)
        if not once:
            fires = self._again(sign, k)
        return sign if fires else None

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Spikes of a whole sample, in one call if potentials are complete and need no tables of further spikes."""
        if self.further is not None or not complete(operands, self.start):
            return stepwise()
        v = np.zeros(self.op.shape, self.message) if operands[0] is None else operands[0].total(self.limit)[0]
        v = v.astype(self.narrow.dtype).reshape(-1)
        if self.op.spikes == 1:
            codes = np.zeros(len(v), np.int32)
            fire_first_all(v, self.axes, self.narrow, codes)
            return Once.of(codes, self.start, self.op.shape, self.steps)
        signs, steps = np.empty((self.steps, len(v)), np.int8), np.empty(self.steps, np.int64)
        subtract = by_step(self.op.schedule.tables[3], self.axes, self.message)
        shape, latest = self.op.schedule.scale.shape, self.op.latest
        if latest is not None:
            latest = per_neuron(np.broadcast_to(latest, shape).reshape(-1), self.axes, np.int64)
        tables = (self.narrow, subtract, latest)
        left = np.full(len(v), self.op.spikes, np.int8)
        count = fire_several_all(v, self.axes, *tables, self.op.spikes, left, signs, steps)
        return Sent(steps[:count] + self.start, signs[:count].reshape(count, *self.op.shape)) if count else None

    def _again(self, sign: np.ndarray, k: int) -> bool:
        """Add further spikes at k to ``sign`` and update all that fired; returns whether any neuron fires."""
        if (self.left < self.op.spikes).any():
            self._go_on(sign, self.pos[k], k)
        sign *= may_fire(self.left, self.op.spikes, self.op.latest, k)
        if not sign.any():
            return False
        self.left -= sign != 0
        if self.further is not None:
            fired = np.nonzero(sign)
            self.row[fired] = self.further.row_after[self.row[fired], sign[fired] * (k + 1) + self.steps]
        else:
            self.v -= sign * self.subtract[k]
        return True

    def _go_on(self, sign: np.ndarray, pos: np.ndarray, k: int) -> None:
        """Put into ``sign`` the further spikes at k of neurons that have fired before, by +-pos or their tables."""
        fired = np.nonzero((self.left < self.op.spikes) & (self.left > 0))
        v = self.v[fired]
        if self.further is None:
            rest = np.broadcast_to(pos, self.v.shape)[fired]
            sign[fired] = (v >= rest).astype(np.int8) - (v <= -rest)
            return
        kind, factor, shift = (None if a is None else a[fired] for a in self.own)
        above, below, lo, hi = scaled_entry(self.further.tables[kind, self.row[fired], :, k].T, factor, shift)
        plus = (v >= above) | (v <= below)
        sign[fired] = plus.astype(np.int8) - (~plus & (lo <= v) & (v <= hi))
