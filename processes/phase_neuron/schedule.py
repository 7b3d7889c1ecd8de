"""Threshold schedules: tables over k that decide what function a phase neuron computes.

``tables()`` gives (pos, lo, hi, subtract), each (P, T) with P neurons' worth of parameters (1 if shared): fire + at
the first k with v >= pos_k, fire - with lo_k <= v <= hi_k, and subtract that much of a spike's sign when firing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from processes import kernels
from processes.fixed import shift_toward_zero
from processes.phase_code import PhaseCode
from processes.phase_neuron.activations import ACTIVATIONS

class Guesses(NamedTuple):
    """Where the closed form's search starts: a row of ``plus`` or ``minus`` at the bucket of |v| * unit.

    unit float32 (P,), row int32 (P,) of plus and minus int16 (kinds, buckets).
    """

    unit: np.ndarray
    row: np.ndarray
    plus: np.ndarray
    minus: np.ndarray


def guesses(tables: Tables, kind: np.ndarray) -> Guesses:
    """Guesses for neurons (P,) of the same ``kind`` (P,), whose tables are alike but for a factor."""
    pos, lo, hi, _ = (table.astype(np.float64) for table in tables)
    finite = np.where(np.abs(pos) < NEVER - 1, np.abs(pos), 0.0)
    unit = 1.0 / np.maximum(finite.max(1), 1e-30)
    kinds, first, row = np.unique(np.broadcast_to(kind, unit.shape), return_index=True, return_inverse=True)
    values = kernels.bucket_values().astype(np.float64)
    plus, minus = [], []
    for c in first[: len(kinds)]:
        v = values / unit[c]
        for sign, found in ((1, plus), (-1, minus)):
            x = sign * v
            fires = (x >= pos[c, :, None]) | ((lo[c, :, None] <= x) & (x <= hi[c, :, None]))
            found.append(kernels.guess_table(fires))
    return Guesses(unit.astype(np.float32), row.astype(np.int32), np.stack(plus), np.stack(minus))


Tables = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

NEVER = np.iinfo(np.int32).max  # a threshold that no potential reaches
ALWAYS = np.iinfo(np.int32).min
LINEAR = ("identity", "relu")  # functions that scale with s: one table serves every scale


def real_tables(function: str, scale: np.ndarray, code: PhaseCode) -> Tables:
    """Tables in real units for scales (P,): pos_k = f^-1(s m_k), [lo_k, hi_k] = {v: f(v) <= -s m_k}.

    Infinite entries mean never (pos, hi) or no bound (lo).
    """
    level = scale[:, None] * code.levels
    target = scale[:, None] * code.midpoints
    if function == "identity":
        return target, np.full_like(target, -np.inf), -target, level
    activation = ACTIVATIONS[function]
    return activation.rises_to(target), *activation.band(-target), level


@dataclass(eq=False, kw_only=True)
class FloatSchedule:
    """Schedule of ``function``; ``scale`` is the real value of a spike at k = 0, ``unit`` that of a potential of 1.

    Both have the same broadcast shape.
    """

    function: str
    scale: np.ndarray
    unit: np.ndarray
    base: float
    steps: int

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    @cached_property
    def guesses(self) -> Guesses:
        """For the closed form's search."""
        linear = self.function in LINEAR
        return guesses(self.tables, np.zeros(1) if linear else self.scale.reshape(-1))

    @cached_property
    def tables(self) -> Tables:
        """(pos, lo, hi, subtract), float64 (P, T)."""
        real = real_tables(self.function, self.scale.reshape(-1), self.code)
        pos, lo, hi, level = (table / self.unit.reshape(-1, 1) for table in real)
        return pos, lo, hi, level


@dataclass(eq=False, kw_only=True)
class FixedSchedule:
    """Integer schedule: threshold = (mantissa * table[class]) >> shift, rounded toward zero (DESIGN section 5).

    ``mantissa``, ``shift`` and ``scale_class`` have the broadcast shape of ``scale`` (kept for decoding to real units);
    ``pos``, ``lo`` and ``hi`` are (classes, T), ``level`` is (T,).
    """

    function: str
    scale: np.ndarray
    base: float
    steps: int
    mantissa: np.ndarray
    shift: np.ndarray
    scale_class: np.ndarray
    pos: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    level: np.ndarray

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    @cached_property
    def guesses(self) -> Guesses:
        """For the closed form's search."""
        return guesses(self.tables, self.scale_class.reshape(-1))

    @cached_property
    def tables(self) -> Tables:
        """(pos, lo, hi, subtract), int32 (P, T)."""
        chosen = self.scale_class.reshape(-1)
        return (
            self._threshold(self.pos[chosen]),
            self._threshold(self.lo[chosen]),
            self._threshold(self.hi[chosen]),
            self._threshold(self.level[None]),
        )

    def _threshold(self, table: np.ndarray) -> np.ndarray:
        mantissa = self.mantissa.reshape(-1, 1).astype(np.int64)
        real = shift_toward_zero(mantissa * table.astype(np.int64), self.shift.reshape(-1, 1))
        real = np.clip(real, ALWAYS + 1, NEVER - 1)
        return np.where((table == NEVER) | (table == ALWAYS), table, real).astype(np.int32)


Schedule = FloatSchedule | FixedSchedule
