"""What kernels are given besides tensors: thresholds of a population as tables, made once and then only read.

A population of neurons stands along the axes of a sample, folded as (A, M, D): parameters vary along A and D and repeat
along M and along every axis before A. P is A * D where every neuron has parameters of its own, and 1 where all share
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from processes.codebook import Codebook

Axes = tuple[int, int, int]
"""(A, M, D)."""


class Geometry(NamedTuple):
    """Geometry of a convolution: (rows, columns), as ``torch.nn.functional.conv2d`` takes them, and groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def sides(self, kernel: Sequence[int], sides: Sequence[int]) -> tuple[int, ...]:
        """Rows and columns of the output, for a kernel and an input with ``sides`` rows and columns."""
        each = zip(sides, kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * pad - (k - 1) * far - 1) // step + 1 for n, k, step, pad, far in each)


class FurtherSpikes(NamedTuple):
    """Thresholds by prefix of neurons that subtract nothing: ``scaled_entry(tables[kind, row], factor, shift)``.

    tables (kinds, rows, 4, T), float64 or int64, holds (above, below, lo, hi): a neuron fires + at v >= above or v <=
    below, and - with lo <= v <= hi. row_after (rows, 2T + 1) of :func:`processes.prefixes.rows_after`; kind, factor and
    shift (P,), shift None for real tables.
    """

    tables: np.ndarray
    row_after: np.ndarray
    kind: np.ndarray
    factor: np.ndarray
    shift: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Lookup:
    """How a potential v finds its codes in a codebook, which is read at v * ``scale``.

    Attributes:
        book: the codebook.
        scale: float32 (A, D).
        begin: index of the first bucket of each neuron's kind, uint32 (A, D).
        units: the most that a threshold or a potential is rounded by before it is scaled, in units of v.
    """

    book: Codebook
    scale: np.ndarray
    begin: np.ndarray
    units: float


@dataclass(frozen=True, eq=False)
class PhaseTables:
    """Phase neurons: they fire + at the first k with v >= pos_k, and - at the first with lo_k <= v <= hi_k.

    Having sent z at k, a neuron of a linear function (``further`` is None) subtracts z * subtract_k and goes on with
    +-pos.

    Attributes:
        axes: (A, M, D).
        lookup: gives the codes of most potentials; the thresholds decide the others.
        thresholds: (pos, lo, hi, subtract), float64 (P, T) each.
        further: thresholds of further spikes of neurons that subtract nothing; None for linear functions.

    Raises:
        ValueError: if a potential that reaches a threshold would not reach that of the next step.
    """

    axes: Axes
    lookup: Lookup
    thresholds: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    further: FurtherSpikes | None

    def __post_init__(self) -> None:
        pos, lo, hi, _ = self.thresholds
        _require_falling(pos)
        _require_widening(lo, hi)
        if self.further is not None:
            above, below, lo, hi = np.moveaxis(self.further.tables, 2, 0)
            _require_falling(above)
            _require_falling(-below)
            _require_widening(lo, hi)


@dataclass(frozen=True, eq=False)
class FallingTables:
    """Neurons that divide by a factor F of their row: they fire at the first k with drive >= (entries_k * F) >> shift.

    The drive is |y|, or y^2 if ``squared``, of y = v >> cut clipped to +-limit; where y = 0 or F <= 0 nothing fires.
    Having sent A in units of ``rest``, a neuron goes on with the sign of v at a drive of at least the threshold of A +
    midpoint_k, and with the other sign at a drive of at most that of A - midpoint_k >= 0, whose entries are
    ``level_entry(level, squared, unit, unit_shift)``.

    Attributes:
        axes: (A, M, D), D being the last axis of a sample, along which F does not vary.
        lookup: gives the codes of most v F^-1, or v F^-1/2 if ``squared``; the entries decide the others.
        squared: whether squares are compared.
        entries: (P, T), real or int64.
        shift: int64 (P,), None for real entries.
        cut: right shift of v, toward zero.
        limit: largest magnitude of y.
        rest: levels and midpoints of the code, (2, T), real or int64.
        unit, unit_shift: (P,) each, unit_shift None for real entries.

    Raises:
        ValueError: if a drive that reaches a threshold would not reach that of the next step.
    """

    axes: Axes
    lookup: Lookup
    squared: bool
    entries: np.ndarray
    shift: np.ndarray | None
    cut: int
    limit: int
    rest: np.ndarray
    unit: np.ndarray
    unit_shift: np.ndarray | None

    def __post_init__(self) -> None:
        _require_falling(self.entries)
        _require_falling(self.rest)


def _require_falling(thresholds: np.ndarray) -> None:
    """Require that thresholds (..., T) never rise, so that one reached stays reached: loops search from any step."""
    _require_reached(thresholds[..., 1:] <= thresholds[..., :-1])


def _require_widening(lo: np.ndarray, hi: np.ndarray) -> None:
    """Require that what lies between lo and hi, (..., T), lies between them at all later steps."""
    never = lo[..., :-1] > hi[..., :-1]
    _require_reached(never | ((lo[..., 1:] <= lo[..., :-1]) & (hi[..., 1:] >= hi[..., :-1])))


def _require_reached(stays: np.ndarray) -> None:
    """Raise ValueError unless ``stays``, bool, holds everywhere."""
    if not stays.all():
        raise ValueError("thresholds rise within a window: a potential that reaches one has to reach all later ones")


class RaceFurther(NamedTuple):
    """Thresholds, on the distance to the winner, of neurons that have fired before.

    A neuron whose prefix has a row of the tables fires + at the first later k with distance <= after[row, 0, k] and -
    with distance >= after[row, 1, k].

    Attributes:
        lookup: gives the codes of most distances; its scale is 1.
        after: float64 (A or 1, rows, 2, T); the first of the two rises with k, the second falls.
        row_after: (rows, 2T + 1) of :func:`processes.prefixes.rows_after`.
    """

    lookup: Lookup
    after: np.ndarray
    row_after: np.ndarray


@dataclass(frozen=True, eq=False)
class RaceTables:
    """Softmax's race: a neuron of a row fires at the first k with max v - v <= ramp_k, never where v = -inf.

    Attributes:
        axes: (heads, rows, keys).
        ramp: thresholds that rise evenly with k, (heads or 1, T), real or integer.
        further: thresholds of further spikes, None where there is one spike.

    Raises:
        ValueError: if a distance that fires would not do so at the next step.
    """

    axes: Axes
    ramp: np.ndarray
    further: RaceFurther | None

    def __post_init__(self) -> None:
        _require_falling(-self.ramp)
        if self.further is not None:
            _require_falling(-self.further.after[:, :, 0])
            _require_falling(self.further.after[:, :, 1])

    @cached_property
    def ends(self) -> np.ndarray:
        """The ramp between -inf and inf, (heads or 1, T + 2)."""
        return np.pad(self.ramp.astype(float), ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))


@dataclass(frozen=True, eq=False)
class FittedTables:
    """Fitted neurons: at step t of K a neuron fires if v >= threshold_t, and then subtracts reset_t.

    Attributes:
        axes: (A, M, D).
        threshold, reset: (P, K), in units of v, real or integer.
        sign: sign of each step's spike, int8 (K,).
    """

    axes: Axes
    threshold: np.ndarray
    reset: np.ndarray
    sign: np.ndarray


@dataclass(frozen=True, eq=False)
class ExpTables:
    """SI-exp of rows: J clock steps count the distance to the row's largest potential, then K - J fitted steps.

    Attributes:
        axes: (heads, rows, keys).
        clock: distances c 2^j, largest first, (heads or 1, J); J = 0: the potential itself is fitted.
        half: c / 2, (heads or 1,).
        threshold, reset: tables of the fitted steps, (heads or 1, K - J).
    """

    axes: Axes
    clock: np.ndarray
    half: np.ndarray
    threshold: np.ndarray
    reset: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Clock, half, threshold and reset."""
        return self.clock, self.half, self.threshold, self.reset
