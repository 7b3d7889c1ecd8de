"""Dynamic-threshold neuron: divides by moving the threshold, not by dividing.

    after softmax   fires at the smallest k with |V| >= theta_k S           S = sum_j e_j, V = sum_j e_j v_j
    LayerNorm       fires at the smallest k with n c_i^2 >= theta_k^2 (Qs + n eps)      Qs = sum_i c_i^2

carrying the sign of V or c_i: no root and no division. theta_k = s m_k, s the scale of the output's code. In fixed
point the table is cut to 24 bits and compared as (table_k * factor) >> shift, so products stay below 2^53; for
LayerNorm c is first shifted to 15 bits (DESIGN sections 3 and 5). RMSNorm is the same without centring.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes import kernels
from processes.codebook import Codebook, compile_codebook
from processes.fixed import saturate, shift_toward_zero
from processes.operation import Operation, Window
from processes.phase_code import PhaseCode
from processes.spikes import decode, empty_codes, fold, parameter_axes


@dataclass(eq=False, kw_only=True)
class DynamicThreshold(Operation):
    """Operands: what is divided (potentials, (N, *shape)) and what its threshold follows.

    Attributes:
        scale: real value of a spike at k = 0, broadcast shape; also says which neurons share a table row.
        base, steps: the phase code its spikes are in.
        table: (P, T), P = scale.size: theta_k / (units of V per unit of S), or theta_k^2 / n; real or int64.
        squared: LayerNorm's comparison; the second operand is then Qs, (N, ..., 1).
            Otherwise it is the codes of e, summed by ``trace`` over their last axis.
        trace: value of a spike of e at k, (T,); only if not ``squared``.
        offset: n eps in units of Qs; fixed point keeps it at least 1.
        features: n.
        shift: right shift of table * factor, int64 (P,); fixed point only.
        drive_shift: right shift that brings c to ``drive_bits``; fixed point only.
        state_bits: width of potentials; 0 in floating point.
    """

    scale: np.ndarray
    base: float
    steps: int
    table: np.ndarray
    squared: bool
    trace: np.ndarray | None = None
    offset: float = 0.0
    features: int = 1
    shift: np.ndarray | None = None
    drive_shift: int = 0
    drive_bits: int = 0
    state_bits: int = 0

    name: ClassVar[str] = "dynamic_threshold"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    dtype: ClassVar[torch.dtype] = torch.float32

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Fires once both operands are complete."""
        return Window(max(ready), max(ready) + self.steps)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """V / S, or c / sqrt(Qs / n + eps)."""
        v, other = inputs
        if self.squared:
            return v * torch.rsqrt((other + self.offset) / self.features)
        return v / other.sum(-1, keepdim=True)

    def drive(self, v):  # noqa: ANN001, ANN201 - numpy or torch
        """What is compared: V, or c cut to ``drive_bits``."""
        if not (self.squared and self.state_bits):
            return v
        return saturate(shift_toward_zero(v, self.drive_shift), self.drive_bits)

    def closed_form(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Codes (1, N, *shape)."""
        v, other = inputs
        codes = empty_codes(1, v, self.steps)
        if self.squared:
            factor = other.to(torch.int64) + int(self.offset) if self.state_bits else other + self.offset
        else:
            factor = decode(other, self.trace_table, torch.float64 if self.state_bits else self.dtype).sum(-1)
            factor = factor.to(torch.int64) if self.state_bits else factor
        axes = parameter_axes(self.shape, self.scale.shape)
        self._guess(v, factor, axes, codes[0])
        if self.state_bits or v.dtype == torch.float64:
            folded = fold(v, axes)
            kernels.settle_scaled(
                folded,
                self.squared,
                self.table if self.state_bits else self.table.astype(folded.dtype, copy=False),
                self.shift,
                self.drive_shift,
                2 ** ((self.drive_bits or 64) - 1) - 1,
                fold(factor, (*axes[:2], 1))[..., 0],
                int(len(self.table) > 1),
                codes.numpy().reshape(folded.shape),
            )
        return codes

    def _guess(
        self, v: torch.Tensor, factor: torch.Tensor, axes: tuple[int, int, int], codes: torch.Tensor
    ) -> None:
        """Codes by looking up v / S, or c / sqrt(Qs + n eps): exact but for rounding."""
        book, unit = self._lookup
        divisor = factor.to(torch.float32).clamp(min=1e-30)
        inverse = divisor.rsqrt() if self.squared else divisor.reciprocal()
        if inverse.ndim < v.ndim:
            inverse = inverse.unsqueeze(-1)
        r = v.to(torch.float32) * inverse
        book.codes(r.mul_(torch.from_numpy(unit)), np.zeros(1, np.int32), axes, codes)

    @cached_property
    def _lookup(self) -> tuple[Codebook, np.ndarray]:
        """Codebook in units of the first threshold, and the factor to these, float32 (*scale.shape)."""
        first = self.table[:, 0] * (1.0 if self.shift is None else 0.5**self.shift)
        if self.squared:
            first = np.sqrt(first) * 2.0**self.drive_shift
        level = self.code.levels[None]
        book = compile_codebook(level, np.full_like(level, -np.inf), -level)
        return book, (1 / np.broadcast_to(first, self.scale.size)).astype(np.float32).reshape(self.scale.shape)

    @property
    def trace_table(self) -> np.ndarray:
        """``trace``, which softmax's division always has."""
        assert self.trace is not None
        return self.trace

    def stepper(self, window: Window, sources: list[Window]) -> DynamicThresholdStepper:
        """Integrates both operands, then fires."""
        return DynamicThresholdStepper(self, window, sources)


class DynamicThresholdStepper:
    """Potential V and factor S or Qs, both integrated; the threshold is formed anew at every step."""

    def __init__(self, op: DynamicThreshold, window: Window, sources: list[Window]) -> None:
        self.op, self.start, self.factor_start = op, window.start, sources[1].start
        self.message = np.int64 if op.state_bits else np.float64
        self.table = np.ascontiguousarray(op.table.T).reshape(op.steps, *op.scale.shape)
        self.shift = None if op.shift is None else op.shift.reshape(op.scale.shape)
        self.reset()

    def reset(self) -> None:
        """Everything to zero."""
        self.v = np.zeros(self.op.shape, self.message)
        self.factor = np.zeros((*self.op.shape[:-1], 1), self.message)
        self.may_fire = np.ones(self.op.shape, bool)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of this step's spikes, or None."""
        drive, other = messages
        if drive is not None:
            self.v += drive
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        if other is not None:
            self.factor += other if self.op.squared else self._weigh(other, t)
        k = t - self.start
        if not 0 <= k < self.op.steps:
            return None
        if k == 0:
            self.compared = self.op.drive(self.v)
            self.magnitude = self.compared**2 if self.op.squared else np.abs(self.compared)
            self.limit = self.factor + (self.message(self.op.offset) if self.op.squared else 0)
            self.may_fire = (self.compared != 0) & (self.limit > 0)
        threshold = self.table[k] * self.limit
        if self.shift is not None:
            threshold >>= self.shift
        fired = self.may_fire & (self.magnitude >= threshold)
        if not fired.any():
            return None
        self.may_fire &= ~fired
        return (np.sign(self.compared) * fired).astype(np.int8)

    def _weigh(self, spikes: np.ndarray, t: int) -> np.ndarray:
        trace = self.op.trace_table[t - self.factor_start].astype(self.message)
        return spikes.sum(-1, keepdims=True, dtype=self.message) * trace
