"""Dynamic-threshold neuron: divides by moving the threshold, not by dividing.

    after softmax   fires at the smallest k with |V| >= theta_k S           S = sum_j e_j, V = sum_j e_j v_j
    LayerNorm       fires at the smallest k with n c_i^2 >= theta_k^2 (Qs + n eps)      Qs = sum_i c_i^2

carrying the sign of V or c_i: no root and no division. theta_k = s m_k, s the scale of the output's code. In fixed
point the table is cut to 24 bits and compared as (table_k * factor) >> shift, so products stay below 2^53; for
LayerNorm c is first shifted to 20 bits (docs/design.md, Fixed point). RMSNorm is the same without centring.

A neuron that has sent A (the sum of its spikes' levels, positive in the sign of V or c) goes on with that sign at the
first later k at which the drive |V| or n c^2 reaches the threshold of A + m_k instead of m_k, or with the other sign if
it is at most that of A - m_k: s (A +- m_k) S after softmax, s^2 (A +- m_k)^2 (Qs + n eps) for LayerNorm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.tables import FallingTables, Lookup
from processes.codebook import Codebook, compile_codebook, linear_intervals
from processes.fixed import saturate, shift_toward_zero
from processes.kernels.stepped import fire_falling_step, integrate
from processes.kernels.windows import fire_falling_all, weigh_all
from processes.operation import Operation, Result, SaturatingStepper, Window, clips_of
from processes.phase_code import UNCODED, PhaseCode
from processes.sent import Once, Operands, Sent, Stepwise, complete
from processes.spikes import by_step, decoded_sums, may_fire, per_neuron, row_axes, silence_after
from processes.thresholds import level_entry

ROUNDED = 2.0**-15  # of the first midpoint: usual rounding of thresholds; rows that round by more are always unsure


@dataclass(frozen=True, eq=False, kw_only=True)
class DynamicThreshold(Operation):
    """Neurons that divide potentials, the first operand, by a factor of their row, formed from the second operand.

    Attributes:
        scale: real value of a spike at k = 0, broadcast shape; also says which neurons share a table row.
        base, steps: the phase code its spikes are in.
        table: (P, T), P = scale.size: theta_k / (units of V per unit of S), or theta_k^2 / n; real or int64.
        squared: LayerNorm's comparison; the second operand is then the potentials Qs, (N, ..., 1).
            Otherwise it is the codes of e, (planes, N, ..., keys), summed by ``trace`` over their last axis.
        trace: value of a spike of e at k, (T,); only if not ``squared``.
        offset: n eps in units of Qs; fixed point keeps it at least 1.
        low: rows with Qs + n eps below this, in units of Qs, are counted: half of their codes are silent.
        features: n, the length of LayerNorm's rows.
        shift: right shift of table * factor, int64 (P,); fixed point only.
        spikes: most spikes per neuron and window, 1 to 3.
        latest: last step at which a neuron that has fired may fire again, integers of broadcast shape; None: T - 1.
        levels, midpoints, gain, gain_shift: integer levels and midpoints (T,) and the int64 (P,) by which
            :func:`processes.thresholds.level_entry` gives table entries of A +- m_k; fixed point with several spikes only.
        drive_shift, drive_bits: right shift of c, and the width that it is then clipped to; fixed-point LayerNorm only.
        state_bits: width of potentials; 0 in floating point.
    """

    scale: np.ndarray
    base: float
    steps: int
    table: np.ndarray
    squared: bool
    trace: np.ndarray | None = None
    offset: float = 0.0
    low: float = 0.0
    features: int = 1
    shift: np.ndarray | None = None
    spikes: int = 1
    latest: np.ndarray | None = None
    levels: np.ndarray | None = None
    midpoints: np.ndarray | None = None
    gain: np.ndarray | None = None
    gain_shift: np.ndarray | None = None
    drive_shift: int = 0
    drive_bits: int = 0
    state_bits: int = 0

    name: ClassVar[str] = "dynamic_threshold"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    shapeless: ClassVar[tuple[str, ...]] = ("_book", "_per_scale", "further")

    @classmethod
    def uncoded(cls, shape: tuple[int, ...], eps: float | None = None, features: int = 1) -> DynamicThreshold:
        """Neurons of ``shape`` of a lowered network; calibration chooses their scale, code and thresholds.

        Args:
            shape: of one sample.
            eps: what LayerNorm adds to the mean of ``features`` squares; None for a quotient by a sum of spikes.
            features: n.
        """
        squared = eps is not None
        return cls(
            shape=shape, scale=np.ones((1,) * len(shape)), base=UNCODED.base, steps=UNCODED.steps,
            table=np.ones((1, UNCODED.steps)), squared=squared, trace=None if squared else np.ones(UNCODED.steps),
            offset=features * (eps or 0.0), features=features,
        )  # fmt: skip

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires for T steps, once both operands are complete."""
        return Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """V / S, or c / sqrt(Qs / n + eps)."""
        v, other = inputs
        if self.squared:
            return v * torch.rsqrt((other + self.offset) / self.features)
        return v / other.sum(-1, keepdim=True)

    @property
    def cuts(self) -> bool:
        """Whether what is compared is c cut to ``drive_bits``."""
        return self.squared and self.state_bits > 0

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (spikes, N, *shape), clips of c where it is cut, and the number of rows of low variance."""
        v, other = inputs
        clips = (
            clips_of(v, self.drive_shift + self.drive_bits) if self.cuts else None
        )  # counted here, clipped by the kernel as it reads them
        low_rows = 0
        if self.squared:
            factor = other.to(torch.int64) + int(self.offset) if self.state_bits else other + self.offset
            factor = factor.squeeze(-1)
            low = factor < self.low
            low_rows = int((v[low] != 0).any(-1).sum()) if bool(low.any()) else 0  # rows of zeros lose nothing
        else:
            factor = decoded_sums(other, self.trace_table, torch.int64 if self.state_bits else dtype)
        codes = backend_of(v).fire_falling(v, factor, self._tables, self.spikes)
        silence_after(codes, self.latest)
        return Result(codes, clips, low_rows)

    @cached_property
    def _tables(self) -> FallingTables:
        axes, limit = row_axes(self.shape, self.scale.shape), 2 ** ((self.drive_bits or 63) - 1) - 1
        # integers: thresholds are cut to whole numbers, and so is c before its comparison
        units = 0.0 if not self.state_bits else 2.0**self.drive_shift + 1 if self.cuts else 1.0
        begin = per_neuron(np.zeros(1), axes, np.uint32)
        lookup = Lookup(self._book, per_neuron(self._per_scale, axes, np.float32), begin, units)
        rest, unit, unit_shift = self.further
        return FallingTables(
            axes, lookup, self.squared, self.table, self.shift, self.drive_shift, limit, rest, unit, unit_shift
        )

    @cached_property
    def _per_scale(self) -> np.ndarray:
        """Factor from V / S, or c / sqrt(Qs + n eps), to units of the code's midpoints or ``midpoints``, (P,)."""
        first = self.table[:, 0] * (1.0 if self.shift is None else 0.5**self.shift)
        if self.squared:
            first = np.sqrt(first) * 2.0**self.drive_shift
        return self.further[0][1, 0] / first

    @cached_property
    def _book(self) -> Codebook:
        """Codebook of v * ``_per_scale`` / factor, or / sqrt(factor) if ``squared``; ends allow for rounded tables."""
        rest, gain, shift = self.further
        levels, midpoints = rest.astype(float)
        kind = linear_intervals(
            np.stack([midpoints, np.full(self.steps, -np.inf), -midpoints]), midpoints, levels, self.spikes
        )
        ends = np.abs(kind.ends)
        shift = None if shift is None else shift[:, None]
        entries = level_entry(ends.astype(rest.dtype), self.squared, gain[:, None], shift)
        place = self._place(entries)
        low, high = place.min(0), place.max(0)
        for k, midpoint in enumerate(midpoints):  # thresholds of first spikes come from ``table`` itself
            own, here = self._place(self.table[:, k, None]), ends == midpoint
            low[here], high[here] = np.minimum(low[here], own.min()), np.maximum(high[here], own.max())
        plus = kind.ends > 0
        kind = kind._replace(
            low=np.minimum(kind.low, np.where(plus, low, -high)), high=np.maximum(kind.high, np.where(plus, high, -low))
        )
        return compile_codebook([kind], self.steps, ROUNDED * float(midpoints[0]) if self.state_bits else 0.0)

    def _place(self, entries: np.ndarray) -> np.ndarray:
        """Positions in the codebook's units at which a neuron meets entries (P, n) of its table."""
        relative = entries / self.table[:, :1]
        return self.further[0][1, 0] * (np.sqrt(relative) if self.squared else relative)

    @cached_property
    def further(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Levels and midpoints (2, T), gain and gain shift (P,) of further spikes' thresholds; None: no shift, real."""
        if self.levels is not None:
            assert self.midpoints is not None and self.gain is not None and self.gain_shift is not None
            rest = np.stack([self.levels, self.midpoints]).astype(np.int64)
            return rest, self.gain.astype(np.int64), self.gain_shift.astype(np.int64)
        unit = self.code.midpoints[0]
        gain = self.table[:, 0] / (unit**2 if self.squared else unit)
        return np.stack([self.code.levels, self.code.midpoints]), gain, None

    @property
    def trace_table(self) -> np.ndarray:
        """``trace``, which is there whenever the operation divides after a softmax."""
        assert self.trace is not None
        return self.trace

    def stepper(self, window: Window, sources: list[Window]) -> DynamicThresholdStepper:
        """A stepper that integrates both operands, then fires in ``window``."""
        return DynamicThresholdStepper(self, window, sources)


class DynamicThresholdStepper(SaturatingStepper):
    """Potential V and factor S or Qs, both integrated; the threshold is formed anew at every step."""

    def __init__(self, op: DynamicThreshold, window: Window, sources: list[Window]) -> None:
        self.op, self.start, self.factor_start = op, window.start, sources[1].start
        self.message = np.int64 if op.state_bits else np.float64
        self.axes = row_axes(op.shape, op.scale.shape)
        self.table = by_step(op.table, self.axes, self.message)
        self.shift = None if op.shift is None else per_neuron(op.shift, self.axes, np.int64)
        self.clip_at = 2 ** (op.state_bits - 1) - 1 if op.state_bits else None
        self.reset()

    def reset(self) -> None:
        """Set potentials, factors and clips to zero, and give every neuron all its spikes."""
        self.clips = 0
        self.v = np.zeros(self.op.shape, self.message)
        self.factor = np.zeros((*self.op.shape[:-1], 1), self.message)
        self.left = np.full(self.op.shape, self.op.spikes, np.int8)
        self.sent: np.ndarray | None = None

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        drive, other = messages
        if drive is not None:
            integrate(self.v.reshape(-1), drive.reshape(-1), self.clip_at)
        if other is not None:
            self.factor += other if self.op.squared else self._weigh(other, t)
            if self.op.cuts:
                self.factor = saturate(self.factor, self.op.state_bits)
        k = t - self.start
        if not 0 <= k < self.op.steps:
            return None
        if k == 0:
            self._begin()
        flat, once = np.empty(len(self.flat[0]), np.int8), self.op.spikes == 1
        magnitude, sign, limit, left = self.flat
        fires = fire_falling_step(magnitude, sign, self.axes, self.table, k, self.shift, limit, left, once, flat)
        fired = flat.reshape(self.op.shape)
        if not once:
            return self._again(fired, k)
        return fired if fires else None

    def _begin(self) -> None:
        """Form drives, their signs and the rows' factors, once both operands are complete."""
        self.compared = self._drive()
        self.magnitude = self.compared**2 if self.op.squared else np.abs(self.compared)
        self.limit = self.factor + (self.message(self.op.offset) if self.op.squared else 0)
        self.left *= (self.compared != 0) & (self.limit > 0)
        self.sign = np.sign(self.compared).astype(np.int8)
        self.flat = [a.reshape(-1) for a in (self.magnitude, self.sign, self.limit, self.left)]

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Spikes of a whole sample, in one call where neurons have one spike and both operands are complete."""
        drive, other = operands
        if self.op.spikes > 1 or not complete(operands, self.start):
            return stepwise()
        self.reset()
        if drive is not None:
            self.v = drive.total(self.clip_at)[0]
        if other is not None:
            clip_at = self.clip_at if self.op.cuts else None
            if self.op.squared:
                self.factor = other.total(clip_at)[0].reshape(self.factor.shape)
            else:
                traces = self.op.trace_table[other.steps - self.factor_start].astype(self.message)
                weigh_all(*other.events, other.shape[-1], traces, self.factor.reshape(-1), clip_at)
        self._begin()
        magnitude, sign, limit, left = self.flat
        codes = np.zeros(len(magnitude), np.int32)
        fire_falling_all(magnitude, sign, self.axes, self.table, self.shift, limit, left, codes)
        return Once.of(codes, self.start, self.op.shape, self.op.steps)

    def _again(self, fired: np.ndarray, k: int) -> np.ndarray | None:
        """Signs of all spikes at k of neurons with several, given first ones in ``fired``; None if there are none."""
        if self.sent is not None:
            self._go_on(fired, self.sent, k)
            fired *= may_fire(self.left, self.op.spikes, self.op.latest, k)
        if not fired.any():
            return None
        self.left -= fired != 0
        added = fired.astype(self.message) * self.op.further[0][0, k]
        self.sent = added if self.sent is None else self.sent + added
        return self.sign * fired

    def _drive(self) -> np.ndarray:
        """The compared potential: V, or c shifted right by ``drive_shift`` and clipped to ``drive_bits``."""
        if not self.op.cuts:
            return self.v
        return self.saturate(shift_toward_zero(self.v, self.op.drive_shift), self.op.drive_bits)

    def _go_on(self, fired: np.ndarray, sent: np.ndarray, k: int) -> None:
        """Put further spikes at k into ``fired``: 1 in the neuron's first sign, -1 in the other, 0 for none."""
        again = np.nonzero((self.left > 0) & (self.left < self.op.spikes))
        rest, gain, gain_shift = self.op.further
        gain, gain_shift, shift = (self._of(a, again) for a in (gain, gain_shift, self.op.shift))
        limit = np.broadcast_to(self.limit, self.op.shape)[again]
        magnitude, sent, midpoint = self.magnitude[again], sent[again], rest[1, k]
        squared = self.op.squared
        above, below = (level_entry(sent + z * midpoint, squared, gain, gain_shift) * limit for z in (1, -1))
        if shift is not None:
            above, below = above >> shift, below >> shift
        minus = (sent >= midpoint) & (magnitude <= below)
        fired[again] = (magnitude >= above).astype(np.int8) - (minus & (magnitude < above))

    def _of(self, per_scale: np.ndarray | None, where: tuple[np.ndarray, ...]) -> np.ndarray | None:
        """Parameters (P,) of the neurons at the indices ``where``."""
        if per_scale is None:
            return None
        return np.broadcast_to(per_scale.reshape(self.op.scale.shape), self.op.shape)[where]

    def _weigh(self, spikes: np.ndarray, t: int) -> np.ndarray:
        trace = self.op.trace_table[t - self.factor_start].astype(self.message)
        return spikes.sum(-1, keepdims=True, dtype=self.message) * trace
