"""WOSS inhibition network (winner-oriented spike shift): softmax by a race, with no exponential computed.

A row of potentials v_j finds its winner, which inhibits the row by its own potential, so that the row's clock starts at
the winner. A threshold then falls by ln B per step: neuron j fires at the smallest k with

    v_max - v_j <= (k + 1/2) ln B / unit

or never. Decoded, e_j = B^-k ~ exp(unit (v_j - v_max)): a linear ramp read by an exponential trace is an exponential.
``unit`` is the real value of one unit of potential times the attention scale. The normaliser S = sum_j e_j is formed
where the row is divided (``dynamic_threshold``). Source: SpikedAttention, WOSS; the half step makes it unbiased.

How the winner is found: *graded*, every neuron sends its potential to the row's inhibitory neuron as one graded spike and
gets the largest back (two steps); or by a *race*, in which a threshold falls from the calibrated top until the first
neurons cross, and only those report their potential. The spikes that follow are the same.

With several spikes per value, a neuron that has sent A goes on with what is left of e: + at the first later j with
e >= A + m_j, - at e <= A - m_j. Both are thresholds on v_max - v that depend on what was sent (``further.py``); ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.tables import Axes, Lookup, RaceFurther, RaceTables
from processes.codebook import Codebook, compile_codebook
from processes.kernels.stepped import fire_race, integrate
from processes.kernels.windows import fire_race_all
from processes.operation import Operation, Result, Window
from processes.phase_code import UNCODED, PhaseCode
from processes.prefixes import rows_after
from processes.sent import Once, Operands, Sent, Stepwise, complete
from processes.spikes import silence_after
from processes.woss.further import race_intervals

EXCHANGE_STEPS = 2  # potentials to the inhibitory neuron, the largest back


def rows_of(shape: tuple[int, ...]) -> Axes:
    """(heads, rows, keys) of samples of shape (..., heads, rows, keys); missing heads or rows count as 1."""
    heads, rows, keys = ((1,) * 3 + shape)[-3:]
    return heads, rows, keys


@dataclass(frozen=True, eq=False, kw_only=True)
class Woss(Operation):
    """Rows along the last axis race; shape (..., heads, rows, keys).

    A second operand, if there is one, is a graded message per sample that is 0 for keys that take no part (padding).

    Attributes:
        ramp: thresholds on v_max - v, (heads or 1, T), real or integer.
        base, steps: the phase code its spikes are in.
        gain: attention scale, (heads or 1,); the ideal is exp(gain (v - v_max)).
        allowed: broadcast shape of a sample, False where a key is masked: it neither races nor fires.
        spikes: most spikes per neuron and window, 1 to 3.
        latest: last step at which a neuron that has fired may fire again, integers of broadcast shape; None: T - 1.
        prefixes: codes sent by neurons that may fire again, (rows, spikes - 1); None for one spike.
        after: thresholds on v_max - v by prefix, (heads or 1, rows, 2, T): + up to the first, - from the second on.
        race: falling thresholds by which the winner is found, (heads or 1, steps), the last of which every neuron
            crosses; None if it is found by graded spikes.
        state_bits: width of the potentials; 0 in floating point.
    """

    ramp: np.ndarray
    base: float
    steps: int
    gain: np.ndarray
    allowed: np.ndarray | None = None
    spikes: int = 1
    latest: np.ndarray | None = None
    prefixes: np.ndarray | None = None
    after: np.ndarray | None = None
    race: np.ndarray | None = None
    state_bits: int = 0

    name: ClassVar[str] = "woss"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    shapeless: ClassVar[tuple[str, ...]] = ("_book",)

    @classmethod
    def uncoded(cls, shape: tuple[int, ...], gain: np.ndarray, allowed: np.ndarray | None = None) -> Woss:
        """Rows of ``shape`` that race in a lowered network; calibration chooses their code and ramp."""
        ramp = np.ones((1, UNCODED.steps))
        return cls(shape=shape, ramp=ramp, base=UNCODED.base, steps=UNCODED.steps, gain=gain, allowed=allowed)

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    @property
    def scale(self) -> np.ndarray:
        """Real value of a spike at k = 0, 1 in broadcast shape: the winner's stands for exp(0)."""
        return np.ones((1,) * len(self.shape))

    @property
    def exchange_steps(self) -> int:
        """Steps from complete potentials to the first spike."""
        return EXCHANGE_STEPS if self.race is None else self.race.shape[-1]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires for T steps, once the winner is known."""
        start = max(ready) + self.exchange_steps
        return Window(start, start + self.steps)

    def mask(self) -> np.ndarray:
        """``allowed`` as bool (windows, heads, rows, keys), each of length 1 or full, keys always full."""
        if self.allowed is None:
            return np.ones((1, 1, 1, self.shape[-1]), bool)
        four = self.allowed.reshape(-1, *((1,) * 3 + self.allowed.shape)[-3:])
        return np.ascontiguousarray(np.broadcast_to(four, (*four.shape[:3], self.shape[-1])))

    def mask_of(self, samples: int, keys: torch.Tensor) -> torch.Tensor:
        """:meth:`mask` of N = ``samples`` samples, also False where ``keys``, the second operand of each, is 0."""
        lead = keys.expand(samples, *self.shape[:-3], *keys.shape[-3:]).reshape(-1, *keys.shape[-3:]) != 0
        four = constant(self.mask(), keys.device)
        return (
            lead.expand(*lead.shape[:3], self.shape[-1]) & four.repeat(len(lead) // len(four), 1, 1, 1)
        ).contiguous()

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """exp(gain (v - v_max)) over allowed keys: softmax before its division."""
        v = self.racing(inputs) * constant(self.gain, inputs[0].device, inputs[0].dtype).reshape(-1, 1, 1)
        return torch.exp(v - v.amax(-1, keepdim=True))

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (spikes, N, *shape) of potentials (N, *shape); first spikes are positive."""
        v = self.racing(inputs)
        codes = backend_of(v).race(v, self._tables, self.spikes)
        silence_after(codes, self.latest)
        return Result(codes)

    @cached_property
    def _tables(self) -> RaceTables:
        return RaceTables(rows_of(self.shape), self.ramp, None if self.after is None else self._further)

    @cached_property
    def _further(self) -> RaceFurther:
        """Codebook of v_max - v, with a kind for each row of ``ramp``, and thresholds where a code is unsure."""
        assert self.prefixes is not None and self.after is not None
        heads, _, keys = rows_of(self.shape)
        begin = np.broadcast_to(self._book.begin(np.arange(len(self.ramp)))[:, None], (heads, keys))
        lookup = Lookup(self._book, np.ones((heads, keys), np.float32), np.ascontiguousarray(begin), 0.0)
        return RaceFurther(lookup, self.after.astype(float), rows_after(self.prefixes, self.steps))

    @cached_property
    def _book(self) -> Codebook:
        assert self.prefixes is not None and self.after is not None
        known = zip(self.ramp.astype(float), self.after.astype(float), strict=True)
        return compile_codebook([race_intervals(ramp, self.prefixes, after) for ramp, after in known], self.steps, 0.0)

    def racing(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Potentials (N, *shape) in floating point, -inf where a key takes no part."""
        v = inputs[0] if inputs[0].is_floating_point() else inputs[0].to(torch.float32)
        if self.allowed is not None:
            v = v.masked_fill(~constant(self.allowed, v.device), -torch.inf)
        return v if len(inputs) == 1 else v.masked_fill(inputs[1] == 0, -torch.inf)

    def stepper(self, window: Window, sources: list[Window]) -> WossStepper:
        """A stepper that integrates, finds each row's winner, then lets the threshold fall."""
        return WossStepper(self, window)


class WossStepper:
    """Steps one sample: potentials of its rows, and the winners that their inhibitory neurons find."""

    def __init__(self, op: Woss, window: Window) -> None:
        self.op, self.start = op, window.start
        self.limit = 2 ** (op.state_bits - 1) - 1 if op.state_bits else None
        self.ramp = np.ascontiguousarray(op.ramp.T, np.int64 if op.state_bits else np.float64)
        self.race = None if op.race is None else self._by_step(op.race)
        heads = np.arange(len(op.ramp)).reshape(-1, 1, 1) if len(op.shape) > 2 else np.zeros(1, int)
        self.head = np.broadcast_to(heads, op.shape)  # row of the tables
        self.allowed = np.broadcast_to(op.mask(), np.broadcast_shapes(op.mask().shape, ((1,) * 4 + op.shape)[-4:]))
        self.static = self.allowed = self.allowed.reshape(op.shape)
        self.row_after = None if op.prefixes is None else rows_after(op.prefixes, op.steps)
        self.lowest = np.iinfo(np.int64).min // 2 if op.state_bits else -np.inf
        self.reset()

    def _by_step(self, table: np.ndarray) -> np.ndarray:
        """A table (heads or 1, steps) as (steps, heads or 1, 1, 1), or (steps, 1, 1) for samples without heads."""
        heads = [len(table)] if len(self.op.shape) > 2 else []
        return np.ascontiguousarray(table.T).reshape(-1, *heads, 1, 1)

    def reset(self) -> None:
        """Set potentials to zero, forget winners and let all neurons of allowed keys fire."""
        self.v = np.zeros(self.op.shape, np.int64 if self.op.state_bits else np.float64)
        self.allowed = self.static
        self.may_fire = np.ascontiguousarray(self.allowed, np.int8)
        self.winner = np.full((*self.op.shape[:-1], 1), self.lowest, self.v.dtype)
        self.row = np.zeros(self.op.shape, np.int32)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        if len(messages) > 1 and messages[1] is not None:
            self.allowed = np.broadcast_to(messages[1] != 0, self.op.shape) & self.static
            self.may_fire = np.ascontiguousarray(self.allowed, np.int8)
        if messages[0] is not None:
            integrate(self.v.reshape(-1), messages[0].reshape(-1), self.limit)
        k = t - self.start
        if -self.op.exchange_steps <= k < 0:
            self._find_winner(k + self.op.exchange_steps)
        if not 0 <= k < self.op.steps:
            return None
        _, per_head, keys = rows_of(self.op.shape)
        v, may_fire = self.v.reshape(-1, keys), self.may_fire.reshape(-1, keys)
        flat = np.empty(v.shape, np.int8)
        fires = fire_race(v, self.winner.reshape(-1), self.ramp, k, per_head, may_fire, flat)
        sign = flat.reshape(self.op.shape)
        if self.op.after is not None:
            self._go_on(self.winner - self.v, sign, k)
            fires = sign.any()
        return sign if fires else None

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """Spikes of a whole sample, in one call where neurons have one, no mask arrives and potentials are complete."""
        race = self.start - self.op.exchange_steps
        if self.op.after is not None or len(operands) > 1 or not complete(operands, race):
            return stepwise()
        self.reset()
        if operands[0] is not None:
            self.v = operands[0].total(self.limit)[0]
        for step in range(self.op.exchange_steps):
            self._find_winner(step)
        _, per_head, keys = rows_of(self.op.shape)
        v, may_fire = self.v.reshape(-1, keys), self.may_fire.reshape(-1, keys)
        codes = np.zeros(v.shape, np.int32)
        fire_race_all(v, self.winner.reshape(-1), self.ramp[: self.op.steps], per_head, may_fire, codes)
        return Once.of(codes.reshape(-1), self.start, self.op.shape, self.op.steps)

    def _go_on(self, gap: np.ndarray, sign: np.ndarray, k: int) -> None:
        """Put into ``sign`` the further spikes at k of neurons that have fired, and update all neurons' prefix rows."""
        assert self.op.after is not None and self.row_after is not None
        again = np.nonzero((self.row > 0) & (True if self.op.latest is None else k <= self.op.latest))
        plus, minus = (self.op.after[self.head[again], self.row[again], side, k] for side in (0, 1))
        above = gap[again] <= plus
        sign[again] = above.astype(np.int8) - (~above & (gap[again] >= minus))
        fired = np.nonzero(sign)
        self.row[fired] = self.row_after[self.row[fired], sign[fired] * (k + 1) + self.op.steps]

    def _find_winner(self, step: int) -> None:
        """One step of finding winners: all neurons report at once, or those that reach the falling threshold first."""
        if self.race is None:
            reports = self.allowed if step == EXCHANGE_STEPS - 1 else np.zeros_like(self.allowed)
        else:
            reports = self.allowed & (self.v >= self.race[step]) & (self.winner == self.lowest)
        largest = np.where(reports, self.v, self.lowest).max(-1, keepdims=True)
        self.winner = np.maximum(self.winner, largest)
