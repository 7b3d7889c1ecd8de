"""SI-exp: exponentials of a row's potentials by fitted spiking neurons, over any input range.

A fitted neuron (``table.py``) approximates exp on a short interval. Range extension maps every input into it. The row's
largest potential v_max inhibits the row as in WOSS; in the first J of its K steps, the clock, a neuron then counts how
many times N = 0 .. 2^J - 1 its distance from v_max contains c = ln 2 / phases, one binary digit per step,

    x = v - v_max        for j = J-1 .. 0:  spike if x + 2^j c <= c / 2, then x += 2^j c

and takes K - J fitted steps on the remainder, |x| <= c / 2:

    spike if x >= T_t, then x -= h_t                 exp(v - v_max) ~ 2^-(N div phases) sum_t d_{N mod phases, t} z_t

with d_{f, t} = 2^(-f / phases) d_t. A neuron that receives these spikes adds entries of a table and shifts the sum: no
product, no exponential. A neuron further below v_max than the clock reaches takes no fitted step and contributes 0.
Without a clock (J = 0) nothing is subtracted and the potential itself is fitted, as published: right for inputs in the
table's range. Source: SIT-conversion, equations 2-4; the range extension is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.tables import ExpTables
from processes.fixed import saturate
from processes.operation import Operation, Result, Window, is_integer
from processes.woss import EXCHANGE_STEPS, Woss, rows_of


@dataclass(frozen=True, eq=False, kw_only=True)
class SiExp(Operation):
    """Exponentials of logits v by fitted neurons, in rows along the last axis; shape (..., heads, rows, keys).

    The first operand is the logits. A second operand, if there is one, is a graded message per sample that is 0 for
    keys that take no part (padding), as for :class:`processes.woss.Woss`.

    Attributes:
        threshold, reset: T and h in units of v, (heads or 1, K - J), real or integer.
        output: d_{f, t}, the worth of each step's spike by phase f = N mod phases, (phases, K - J), real or integer.
        gain: attention scale, (heads or 1,); the ideal is exp(gain (v - v_max)), or exp(gain v) without a clock.
        clock: 2^j c, j = J-1 .. 0, in units of v, (heads or 1, J); None for the published form.
        half: c / 2 in units of v, (heads or 1,); None without a clock.
        allowed: broadcast shape of a sample, False where a key is masked: it takes no part.
        unit: real value of 1 of the number that a neuron's spikes represent.
        state_bits: width of the potentials; 0 in floating point.
    """

    threshold: np.ndarray
    reset: np.ndarray
    output: np.ndarray
    gain: np.ndarray
    clock: np.ndarray | None = None
    half: np.ndarray | None = None
    allowed: np.ndarray | None = None
    unit: float = 1.0
    state_bits: int = 0

    name: ClassVar[str] = "si_exp"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]

    # rows and masks have the layout of Woss
    mask, mask_of = Woss.mask, Woss.mask_of

    @classmethod
    def uncoded(cls, shape: tuple[int, ...], gain: np.ndarray, allowed: np.ndarray | None, clocked: bool) -> SiExp:
        """The operation in a lowered network, with a clock or as published; calibration sets its tables."""
        one = np.ones((1, 1))
        clock, half = (one, np.ones(1)) if clocked else (None, None)
        return cls(
            shape=shape, threshold=one, reset=one, output=one, gain=gain, allowed=allowed, clock=clock, half=half
        )

    @property
    def digits(self) -> int:
        """J, the number of steps of the clock; 0 without a clock."""
        return 0 if self.clock is None else self.clock.shape[1]

    @property
    def steps(self) -> int:
        """K, the number of steps of the window: those of the clock and the fitted ones."""
        return self.digits + self.threshold.shape[1]

    @property
    def spikes(self) -> int:
        """Most spikes of a neuron: one at every step."""
        return self.steps

    @property
    def scale(self) -> np.ndarray:
        """``unit`` in the broadcast shape of a sample: the real value of 1 of the number that spikes represent."""
        return np.full((1,) * len(self.shape), self.unit)

    @property
    def exchange_steps(self) -> int:
        """Steps from complete potentials to the first spike: those that find the row's largest, if there is a clock."""
        return EXCHANGE_STEPS if self.digits else 0

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """K steps, once the row's largest potential is known (without a clock: once potentials are complete)."""
        start = max(ready) + self.exchange_steps
        return Window(start, start + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """exp of the scaled logits, relative to the row's largest if there is a clock; 0 for keys that take no part."""
        v = inputs[0] * constant(self.gain, inputs[0].device, inputs[0].dtype).reshape(-1, 1, 1)
        if self.allowed is not None:
            v = v.masked_fill(~constant(self.allowed, v.device), -torch.inf)
        if len(inputs) > 1:
            v = v.masked_fill(inputs[1] == 0, -torch.inf)
        return torch.exp(v - v.amax(-1, keepdim=True)) if self.digits else torch.exp(v)

    @cached_property
    def _mask(self) -> np.ndarray:
        return self.mask()

    @cached_property
    def tables(self) -> ExpTables:
        """The clock and the fitted tables as the kernels take them."""
        heads = len(self.threshold)
        clock = np.zeros((heads, 0)) if self.clock is None else self.clock
        half = np.zeros(heads) if self.half is None else self.half
        return ExpTables(rows_of(self.shape), clock, half, self.threshold, self.reset)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (K, N, *shape) of potentials (N, *shape); the first J steps are the clock's, the others fitted ones."""
        v = inputs[0].long() if self.state_bits else inputs[0]
        allowed = self.mask_of(len(v), inputs[1]) if len(inputs) > 1 else constant(self._mask, v.device)
        return Result(backend_of(v).fire_exp(v, self.tables, allowed))

    def decoded(self, codes: torch.Tensor) -> torch.Tensor:
        """Exponentials (N, *shape), float64, that codes (planes, N, *shape) represent."""
        return backend_of(codes).spelled(codes, self.output, self.digits) * self.unit

    def stepper(self, window: Window, sources: list[Window]) -> SiExpStepper:
        """The :class:`SiExpStepper` of this operation."""
        return SiExpStepper(self, window)


def halved(total: Any, shift: Any) -> Any:
    """total 2^-shift, total >= 0, integers rounded toward zero; an array by an array, or a tensor by a number < 63."""
    if isinstance(total, torch.Tensor):
        return total * 2.0**-shift if total.is_floating_point() else total >> shift
    return total >> np.minimum(shift, 62) if is_integer(total) else np.ldexp(total, -shift)


class SiExpStepper:
    """Stepper of a :class:`SiExp`: integrates, subtracts the largest, then takes the clock's and the fitted steps."""

    def __init__(self, op: SiExp, window: Window) -> None:
        self.op, self.start = op, window.start
        self.message = np.int64 if op.state_bits else np.float64
        clock, half, threshold, reset = (table.astype(self.message) for table in op.tables.arrays)
        self.clock, self.threshold, self.reset_by = (self._by_step(a) for a in (clock, threshold, reset))
        self.half = self._by_step(half[:, None])[0]
        self.static = np.broadcast_to(op.mask(), np.broadcast_shapes(op.mask().shape, ((1,) * 4 + op.shape)[-4:]))
        self.static = self.static.reshape(op.shape)
        self.lowest = np.iinfo(np.int64).min // 2 if op.state_bits else -np.inf
        self.reset()

    def _by_step(self, table: np.ndarray) -> np.ndarray:
        """A table (heads or 1, steps) as (steps, heads or 1, 1, 1), or (steps, 1, 1) where samples have no heads."""
        heads = [len(table)] if len(self.op.shape) > 2 else []
        return np.ascontiguousarray(table.T).reshape(-1, *heads, 1, 1)

    def reset(self) -> None:
        """Set potentials to zero, and let all keys take part that are not masked."""
        self.v = np.zeros(self.op.shape, self.message)
        self.takes_part = self.static

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Spikes int8 (*shape) of this step, or None."""
        if len(messages) > 1 and messages[1] is not None:
            self.takes_part = np.broadcast_to(messages[1] != 0, self.op.shape) & self.static
        if messages[0] is not None:
            self.v += messages[0]
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        k, digits = t - self.start, self.op.digits
        if digits and k == -1:  # the exchange is over: the largest inhibits its row
            largest = np.where(self.takes_part, self.v, self.lowest).max(-1, keepdims=True)
            self.v = np.where(self.takes_part, self.v - largest, 0)
        if not 0 <= k < self.op.steps:
            return None
        if k < digits:
            fired = self.takes_part & (self.v + self.clock[k] <= self.half)
            self.v += fired * self.clock[k]
        else:
            if digits and k == digits:
                self.takes_part = self.takes_part & (self.v >= -2 * self.half)
            fired = self.takes_part & (self.v >= self.threshold[k - digits])
            self.v -= fired * self.reset_by[k - digits]
        return fired.astype(np.int8) if fired.any() else None
