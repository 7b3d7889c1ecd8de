"""Threshold schedules: tables over k that decide what function a phase neuron computes.

``tables()`` gives (pos, lo, hi, subtract), each (P, T) with P neurons' worth of parameters (1 if shared): fire + at
the first k with v >= pos_k, fire - with lo_k <= v <= hi_k, and subtract that much of a spike's sign when firing. What
is left fires against +-pos_k if the function is linear. Otherwise nothing is subtracted: having sent A, a neuron goes on
with + at the first later k with f(v) >= s (A + m_k) and with - at f(v) <= s (A - m_k), which are conditions on v from a
table by the first code, the ``sequel``. That of a third spike would need a table by two codes: two is the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from processes.codebook import Codebook, compile_codebook, linear_codebook
from processes.phase_code import PhaseCode
from processes.phase_neuron.activations import ACTIVATIONS, FAR
from processes.thresholds import ALWAYS, NEVER, scaled_entry


class Lookup(NamedTuple):
    """A schedule compiled for the closed form: codes of v * factor by ``book``, row ``kind``.

    factor float32 and kind int32, both (P,). ``exact``: the lookup needs no settling.
    """

    book: Codebook
    factor: np.ndarray
    kind: np.ndarray
    exact: bool


Tables = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

AT_REST_ABOVE_ZERO = ("sigmoid", "exp")  # functions with f(0) > 0
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


@lru_cache
def real_sequel(function: str, scale: float, code: PhaseCode) -> np.ndarray:
    """Second spikes of neurons of one scale, real units, float64 (2T + 1, 4, T).

    Row c + T holds (above, below, lo, hi) by k after the first code c: fire + with v >= above_k or v <= below_k and - with
    lo_k <= v <= hi_k. Infinite entries mean never, or no bound; steps up to the first spike's never fire.
    """
    sent = np.concatenate([-code.levels[::-1], [0.0], code.levels])[:, None]
    first = np.abs(np.arange(-code.steps, code.steps + 1))[:, None]
    later = (np.arange(code.steps) >= first) & (first > 0)
    up, down = (scale * np.broadcast_to(sent + z * code.midpoints, later.shape)[later] for z in (1, -1))
    activation = ACTIVATIONS[function]
    table = np.empty((2 * code.steps + 1, 4, code.steps))
    table[:] = np.array([np.inf, -np.inf, np.inf, -np.inf])[:, None]
    for i, entries in enumerate((activation.rises_to(up), activation.falls_to(up), *activation.band(down))):
        table[:, i][later] = np.where(np.abs(entries) > FAR / 2, np.copysign(np.inf, entries), entries)
    return table


class Sequel(NamedTuple):
    """A nonlinear schedule's tables by first code: thresholds are ``scaled_entry(tables[kind], factor, shift)``.

    tables (kinds, 2T + 1, 4, T), of :func:`real_sequel`, float64 or int64; kind, factor and shift (P,), shift None for
    real ones.
    """

    tables: np.ndarray
    kind: np.ndarray
    factor: np.ndarray
    shift: np.ndarray | None


class Rest(NamedTuple):
    """How to guess further spikes: (f(v * unit) / scale) or, if ``unit`` is None, the lookup's v * factor, by ``book``.

    ``level`` (T,) is what a spike takes off it; unit (P,).
    """

    book: Codebook
    level: np.ndarray
    unit: np.ndarray | None


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
    def rest(self) -> Rest:
        """Further spikes: exact but for rounding."""
        return Rest(linear_codebook(self.code), self.code.levels, None if self.function in LINEAR else self.unit)

    @cached_property
    def sequel(self) -> Sequel | None:
        """Second spikes of a nonlinear function."""
        if self.function in LINEAR:
            return None
        kinds, kind = np.unique(self.scale.reshape(-1), return_inverse=True)
        tables = np.stack([real_sequel(self.function, float(scale), self.code) for scale in kinds])
        return Sequel(tables, kind.reshape(-1).astype(np.int32), self.unit.reshape(-1).astype(np.float64), None)

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
    ``pos``, ``lo`` and ``hi`` are (classes, T), ``level`` is (T,). A nonlinear function with two spikes also has
    ``after`` (classes, 2T + 1, 4, T), of :func:`real_sequel`, and ``unit``, the real value of a potential of 1 in the
    broadcast shape of ``scale``, from which second spikes are guessed before the tables decide.
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
    after: np.ndarray | None = None
    unit: np.ndarray | None = None

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
    def rest(self) -> Rest:
        """Further spikes of linear functions, as exact as the lookup; guesses of others."""
        if self.function not in LINEAR:
            return Rest(linear_codebook(self.code), self.code.levels, self.unit)
        pos = self.pos.astype(np.float64)
        return Rest(compile_codebook(pos, np.full_like(pos, -np.inf), -pos), self.level, None)

    @cached_property
    def sequel(self) -> Sequel | None:
        """Second spikes of a nonlinear function."""
        if self.after is None:
            return None
        kind, factor, shift = (a.reshape(-1) for a in (self.scale_class, self.mantissa, self.shift))
        return Sequel(
            self.after.astype(np.int64),
            kind.astype(np.int32),
            factor.astype(np.int64),
            shift.astype(np.int64),
        )

    @cached_property
    def tables(self) -> Tables:
        """(pos, lo, hi, subtract), int32 (P, T)."""
        chosen = self.scale_class.reshape(-1)
        pos, hi = self._threshold(self.pos[chosen]), self._threshold(self.hi[chosen])
        if self.function not in AT_REST_ABOVE_ZERO:  # rounding must not let a silent neuron fire
            pos, hi = np.maximum(pos, 1), np.minimum(hi, -1)
        return pos, self._threshold(self.lo[chosen]), hi, self._threshold(self.level[None])

    def _threshold(self, table: np.ndarray) -> np.ndarray:
        mantissa, shift = (a.reshape(-1, 1).astype(np.int64) for a in (self.mantissa, self.shift))
        return np.clip(scaled_entry(table.astype(np.int64), mantissa, shift), ALWAYS, NEVER).astype(np.int32)


Schedule = FloatSchedule | FixedSchedule
