"""Codebooks: a threshold schedule compiled into tables over the leading bits of a float32.

The code of a potential is a piecewise constant function with a few hundred breakpoints. Cut the float32 numbers into
buckets that share their leading bits, finely enough that no bucket holds more than one breakpoint: a bucket then needs
its breakpoint and the codes below and above it, and a code costs two loads and one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

from processes import kernels
from processes.phase_code import PhaseCode, code_dtype
from processes.spikes import fold

LEADING_BITS = (16, 18, 20)  # sign, exponent and 7, 9 or 11 bits of mantissa


@dataclass(frozen=True)
class Codebook:
    """Tables (kinds, 2^bits) of breakpoints float32 and codes; see :func:`processes.kernels.lookup`."""

    shift: int
    at: np.ndarray
    below: np.ndarray
    above: np.ndarray

    def codes(
        self, r: torch.Tensor, kind: np.ndarray, axes: tuple[int, int, int], codes: torch.Tensor
    ) -> None:
        """Write the codes of normalised potentials r, float32 (N, *shape), of neurons of ``kind`` (P,)."""
        folded = fold(r, axes)
        out = codes.numpy().reshape(folded.shape)
        bits = folded.view(np.uint32)
        spread = int(len(kind) > 1)
        kernels.lookup(folded, bits, self.shift, kind, spread, self.at, self.below, self.above, out)

    def further(
        self, r: torch.Tensor, level: np.ndarray, axes: tuple[int, int, int], codes: torch.Tensor
    ) -> None:
        """Write planes 1 on of codes (planes, N, *shape): what the spikes before leave of r, level (T,) in its units."""
        folded = fold(r, axes)
        out = codes.numpy().reshape(-1, *folded.shape)
        kernels.further(
            folded, self.shift, self.at[0], self._ends, kernels.decode_table(level, np.float32), out
        )

    @cached_property
    def _ends(self) -> np.ndarray:
        """The codes below and above of each bucket of the first row, one after the other."""
        return np.stack([self.below[0], self.above[0]], 1).reshape(-1)


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
    dtype = code_dtype(pos.shape[1])
    at, below, above = (np.stack([table[i] for table in tables]) for i in range(3))
    return Codebook(shift, at, below.astype(dtype), above.astype(dtype))


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
