"""Codebooks: a threshold schedule compiled into tables over the leading bits of a float32.

The code of a potential is a piecewise constant function with a few hundred breakpoints. Cut the float32 numbers into
buckets that share their leading bits, finely enough that no bucket holds more than one breakpoint: a bucket then needs
its breakpoint and the codes below and above it, and a code costs two loads and one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from processes.kernels import lookup
from processes.kernels.decode import decode_table
from processes.phase_code import PhaseCode, code_dtype
from processes.spikes import as_numpy, fold, per_neuron

Axes = tuple[int, int, int]
Gain = torch.Tensor | None

LEADING_BITS = (16, 18, 20)  # sign, exponent and 7, 9 or 11 bits of mantissa


@dataclass(frozen=True, eq=False)
class Codebook:
    """Tables of 2^(32 - shift) buckets each, one table per kind after the other.

    Attributes:
        shift: how many trailing bits share a bucket.
        at: where in each bucket the code changes, float32.
        ends: the codes of each bucket below and from there on, one after the other.
    """

    shift: np.uint32
    at: np.ndarray
    ends: np.ndarray

    def first(
        self, v: torch.Tensor, factor: np.ndarray, kind: np.ndarray, axes: Axes, codes: torch.Tensor, gain: Gain = None
    ) -> None:
        """Write the first plane of codes (planes, N, *shape) of potentials v (N, *shape) times factor (P,) times gain.

        kind (P,) is the neurons' table; gain, float32, has one number per row of the last axis.
        """
        folded, planes, rows = _fold(v, axes, codes, gain)
        begin = per_neuron(kind.astype(np.uint64) << np.uint64(32 - self.shift), axes, np.uint64)
        scale = per_neuron(factor, axes, np.float32)
        lookup.first_spikes(folded, scale, rows, begin, self.shift, self.at, self.ends, planes)

    def further(
        self, v: torch.Tensor, factor: np.ndarray, level: np.ndarray, axes: Axes, codes: torch.Tensor, gain: Gain = None
    ) -> None:
        """Write planes 1 on: what the spikes before leave of the same, level (T,) in its units; of kind 0."""
        folded, planes, rows = _fold(v, axes, codes, gain)
        scale, table = per_neuron(factor, axes, np.float32), decode_table(level, np.float32)
        lookup.further_spikes(folded, scale, rows, self.shift, self.at, self.ends, table, len(level), planes)


def _fold(
    v: torch.Tensor, axes: Axes, codes: torch.Tensor, gain: Gain
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Potentials (R, A, M, D), codes (planes, R, A, M, D) and gains (R, A, M)."""
    folded = fold(v, axes)
    rows = None if gain is None else as_numpy(gain).reshape(folded.shape[:3])
    return folded, codes.numpy().reshape(-1, *folded.shape), rows


def compile_codebook(pos: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> Codebook:
    """The codebook of tables (kinds, T) as in :class:`processes.phase_neuron.PhaseNeuron`, in normalised units.

    Breakpoints are rounded up to float32. Should a bucket hold more than one at the finest cut, its codes are those of
    its ends: only a caller that settles the codes afterwards is exact there.
    """
    functions = [_breakpoints(*tables) for tables in zip(pos, lo, hi, strict=True)]
    tables: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    shift = 0
    for bits in LEADING_BITS:
        shift = 32 - bits
        built = [_buckets(points, codes, bits) for points, codes in functions]
        tables = [table for table, _ in built]
        if all(single for _, single in built):
            break
    at, below, above = (np.concatenate([table[i] for table in tables]) for i in range(3))
    ends = np.stack([below, above], 1).reshape(-1).astype(code_dtype(pos.shape[1]))
    return Codebook(np.uint32(shift), at, ends)


@lru_cache
def linear_codebook(code: PhaseCode) -> Codebook:
    """The codebook of numbers in units of the first level."""
    midpoints = code.midpoints[None]
    return compile_codebook(midpoints, np.full_like(midpoints, -np.inf), -midpoints)


def _breakpoints(pos: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the code changes, ascending float32 from -inf on, and the code from each on."""
    after = np.nextafter(_up(hi), np.float32(np.inf))
    after = np.where(hi.astype(np.float32) > hi, _up(hi), after)  # float32 numbers beyond hi
    points = np.unique(np.concatenate([[np.float32(-np.inf)], _up(pos), _up(lo), after]))
    points = points[points < np.inf]
    plus = points >= _up(pos)[:, None]
    minus = (points >= _up(lo)[:, None]) & (points < after[:, None])
    fires = plus | minus
    k = fires.argmax(0)
    sign = np.where(plus[k, np.arange(len(points))], 1, -1)
    return points, np.where(fires.any(0), sign * (k + 1), 0)


def _up(values: np.ndarray) -> np.ndarray:
    """The smallest float32 that is not below each value."""
    near = values.astype(np.float32)
    return np.where(near < values, np.nextafter(near, np.float32(np.inf)), near)


def _buckets(
    points: np.ndarray, codes: np.ndarray, bits: int
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], bool]:
    """(at, below, above) of every bucket, and whether none holds more than one breakpoint."""
    first = (np.arange(2**bits, dtype=np.uint64) << (32 - bits)).astype(np.uint32)
    last = (first + np.uint32(2 ** (32 - bits) - 1)).view(np.float32)
    ends = np.stack([first.view(np.float32), last])
    endless = ~np.isfinite(ends).all(0)  # potentials are finite, so these buckets may hold anything
    ends[:, endless] = np.where(np.signbit(ends[0, endless]), -np.inf, np.inf)
    low, high = (np.searchsorted(points, end, "right").clip(1) - 1 for end in (ends.min(0), ends.max(0)))
    return (points[high], codes[low], codes[high]), bool((high - low <= 1).all())
