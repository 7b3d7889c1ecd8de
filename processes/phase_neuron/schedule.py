"""Threshold schedules: tables over k that decide what function a phase neuron computes.

``tables`` gives (pos, lo, hi, subtract), each (P, T) for P scales (1 if all neurons share one): fire + at the first k
with v >= pos_k, or - with lo_k <= v <= hi_k, and subtract the spike's sign times subtract_k. What is left of the
potential fires against +-pos_k if the function is linear. Otherwise nothing is subtracted, and ``further`` gives the
thresholds of further spikes (``further.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from processes.backends.tables import FurtherSpikes
from processes.codebook import Codebook, Intervals, compile_codebook, intervals, linear_intervals
from processes.operation import freeze_arrays
from processes.phase_code import PhaseCode
from processes.phase_neuron.further import NEVER_FIRES, further_tables, response, root_tables
from processes.prefixes import Prefix, of_rows, rows_after
from processes.thresholds import ALWAYS, NEVER, scaled_entry


class Lookup(NamedTuple):
    """A schedule compiled for the closed form: the codes of v are those of v * factor in ``book``, for its ``kind``.

    factor float32 and kind int32, both (P,). ``units``: the most that a threshold or what is left of v is rounded by,
    in units of v.
    """

    book: Codebook
    factor: np.ndarray
    kind: np.ndarray
    units: float


Tables = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

LINEAR = ("identity", "relu")  # functions that scale with s: one table serves every scale


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatSchedule:
    """Schedule of ``function``; ``scale`` is the real value of a spike at k = 0, ``unit`` that of a potential of 1.

    Both have the same broadcast shape.
    """

    function: str
    scale: np.ndarray
    unit: np.ndarray
    base: float
    steps: int

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    def lookup(self, spikes: int) -> Lookup:
        """Codebook of neurons with ``spikes``: in units of the scale if linear, else a kind per scale in real units."""
        scale, unit = self.scale.reshape(-1), self.unit.reshape(-1)
        if self.function in LINEAR:
            first, kind, factor = root_tables(self.function, np.ones(1), self.code)[:, 0], np.zeros(1), unit / scale
            kinds = [linear_intervals(first, self.code.midpoints, self.code.levels, spikes)]
        else:
            scales, kind = np.unique(scale, return_inverse=True)
            kinds, factor = [response(self.function, float(s), self.code, spikes).intervals for s in scales], unit
        kind = np.ascontiguousarray(np.broadcast_to(kind.reshape(-1), factor.shape), np.int32)
        return Lookup(compile_codebook(kinds, self.steps, 0.0), factor.astype(np.float32), kind, 0.0)

    def further(self, spikes: int) -> FurtherSpikes | None:
        """Thresholds of further spikes of a nonlinear function; None if it is linear or neurons have one spike."""
        if spikes == 1 or self.function in LINEAR:
            return None
        scales, kind = np.unique(self.scale.reshape(-1), return_inverse=True)
        prefixes, tables = further_tables(self.function, scales, self.code, spikes)
        kind = kind.reshape(-1).astype(np.int32)
        return FurtherSpikes(
            tables, rows_after(prefixes, self.steps), kind, self.unit.reshape(-1).astype(np.float64), None
        )

    @cached_property
    def tables(self) -> Tables:
        """(pos, lo, hi, subtract), float64 (P, T)."""
        scale, unit = self.scale.reshape(-1), self.unit.reshape(-1, 1)
        pos, lo, hi = root_tables(self.function, scale, self.code) / unit
        return pos, lo, hi, scale[:, None] * self.code.levels / unit


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedSchedule:
    """Integer schedule: threshold = (mantissa * table[class]) >> shift, rounded toward zero (docs/design.md, Fixed point).

    ``mantissa``, ``shift`` and ``scale_class`` have the broadcast shape of ``scale`` (kept for decoding to real units);
    ``pos``, ``lo`` and ``hi`` are (classes, T), ``level`` is (T,). A nonlinear function with several spikes also
    has ``prefixes`` (rows, spikes - 1) and their tables ``after`` (classes, rows, 4, T), of
    :func:`processes.phase_neuron.further.further_tables`.
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
    prefixes: np.ndarray | None = None
    after: np.ndarray | None = None

    def __post_init__(self) -> None:
        freeze_arrays(self)

    @property
    def code(self) -> PhaseCode:
        """The phase code its spikes are in."""
        return PhaseCode(self.base, self.steps)

    def lookup(self, spikes: int) -> Lookup:
        """Codebook in units of table entries; thresholds are (mantissa * entry) / 2^shift, cut by less than 1."""
        mantissa, shift, kind = (a.reshape(-1) for a in (self.mantissa, self.shift, self.scale_class))
        factor = 2.0 ** shift.astype(float) / mantissa
        first = np.stack([_endless(t) for t in (self.pos, self.lo, self.hi)], 1)  # (classes, 3, T)
        if self.function in LINEAR:
            kinds = [linear_intervals(tables, tables[0], self.level, spikes) for tables in first]
            units = float(spikes)  # the threshold, and what each earlier spike has subtracted, are rounded by up to 1
        else:
            kinds, units = [self._intervals(number, tables, spikes) for number, tables in enumerate(first)], 1.0
        if bool((mantissa & (mantissa - 1) == 0).all() and (shift <= np.log2(mantissa)).all()):
            units = 0.0  # mantissas are powers of two and only shift entries left, which is exact
        book = compile_codebook(kinds, self.steps, units * float(factor.max()))
        kind = np.ascontiguousarray(np.broadcast_to(kind, factor.shape), np.int32)
        return Lookup(book, factor.astype(np.float32), kind, units)

    def _intervals(self, kind: int, first: np.ndarray, spikes: int) -> Intervals:
        """Intervals of neurons of class ``kind``, in units of table entries; first (3, T) is their pos, lo and hi."""
        known: dict[Prefix, np.ndarray] = {}
        if spikes > 1:
            assert self.prefixes is not None and self.after is not None
            known = dict(zip(of_rows(self.prefixes), _endless(self.after[kind]), strict=True))
        never = np.repeat(NEVER_FIRES[:, None], self.steps, 1)

        def after(prefixes: list[Prefix], _: np.ndarray) -> np.ndarray:
            if prefixes == [()]:
                return np.stack([first[0], never[1], first[1], first[2]])[None]
            return np.array([known.get(prefix, never) for prefix in prefixes])

        return intervals(after, self.steps, spikes)

    def further(self, spikes: int) -> FurtherSpikes | None:
        """Thresholds of further spikes of a nonlinear function; None if it is linear or neurons have one spike."""
        if spikes == 1 or self.after is None or self.prefixes is None:
            return None
        kind, factor, shift = (a.reshape(-1) for a in (self.scale_class, self.mantissa, self.shift))
        return FurtherSpikes(
            self.after.astype(np.int64),
            rows_after(self.prefixes, self.steps),
            kind.astype(np.int32),
            factor.astype(np.int64),
            shift.astype(np.int64),
        )

    @cached_property
    def tables(self) -> Tables:
        """(pos, lo, hi, subtract), int32 (P, T)."""
        chosen = self.scale_class.reshape(-1)
        pos, hi = self._threshold(self.pos[chosen]), self._threshold(self.hi[chosen])
        # rounding must not let a silent neuron fire: what is above or below zero in the table stays so
        pos = np.where(self.pos[chosen] > 0, np.maximum(pos, 1), pos)
        hi = np.where(self.hi[chosen] < 0, np.minimum(hi, -1), hi)
        return pos, self._threshold(self.lo[chosen]), hi, self._threshold(self.level[None])

    def _threshold(self, table: np.ndarray) -> np.ndarray:
        mantissa, shift = (a.reshape(-1, 1).astype(np.int64) for a in (self.mantissa, self.shift))
        return np.clip(scaled_entry(table.astype(np.int64), mantissa, shift), ALWAYS, NEVER).astype(np.int32)


def _endless(table: np.ndarray) -> np.ndarray:
    """Table entries as float64, with NEVER and ALWAYS as inf and -inf."""
    return np.where(table >= NEVER, np.inf, np.where(table <= ALWAYS, -np.inf, table))


Schedule = FloatSchedule | FixedSchedule
