"""Threshold schedules: tables over k that decide what function a phase neuron computes.

``tables()`` gives (pos, lo, hi, subtract), each (P, T) with P neurons' worth of parameters (1 if shared): fire + at
the first k with v >= pos_k, fire - with lo_k <= v <= hi_k, and subtract that much of a spike's sign when firing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from processes.codebook import Codebook, compile_codebook
from processes.fixed import shift_toward_zero
from processes.phase_code import PhaseCode
from processes.phase_neuron.activations import ACTIVATIONS

class Lookup(NamedTuple):
    """A schedule compiled for the closed form: codes of v * factor by ``book``, row ``kind``.

    factor float32 and kind int32, both (P,). ``exact``: the lookup needs no settling.
    """

    book: Codebook
    factor: np.ndarray
    kind: np.ndarray
    exact: bool


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
    def lookup(self) -> Lookup:
        """Codebook in units of the scale, or one per scale in real units; exact but for rounding of v * factor."""
        scale, unit = self.scale.reshape(-1), self.unit.reshape(-1)
        linear = self.function in LINEAR
        kinds, kind = np.unique(np.ones(1) if linear else scale, return_inverse=True)
        book = compile_codebook(*real_tables(self.function, kinds, self.code)[:3])
        factor = unit / scale if linear else unit
        kind = np.broadcast_to(kind, factor.shape)
        return Lookup(book, factor.astype(np.float32), np.ascontiguousarray(kind, np.int32), exact=True)

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
    def lookup(self) -> Lookup:
        """Codebook of the table entries; exact if thresholds are entries shifted left and v * factor does not round."""
        mantissa, shift, kind = (a.reshape(-1) for a in (self.mantissa, self.shift, self.scale_class))
        power = 2.0 ** np.round(np.log2(mantissa))
        exact = bool((mantissa == power).all() and (shift <= np.log2(power)).all())
        tables = (np.where(t == NEVER, np.inf, np.where(t == ALWAYS, -np.inf, t)) for t in (self.pos, self.lo, self.hi))
        factor = (2.0 ** shift.astype(float) / mantissa).astype(np.float32)
        kind = np.broadcast_to(kind, factor.shape)
        return Lookup(compile_codebook(*tables), factor, np.ascontiguousarray(kind, np.int32), exact)

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
