"""Codebooks: what a neuron fires, as a function of its potential at the end of the window, in tables.

The codes of all its spikes are piecewise constant in the potential, with some hundreds of intervals. Cut the float32 numbers
into buckets that share their leading bits: nearly every bucket holds at most one end of an interval, so that its codes take
two loads and two comparisons, whatever the number of spikes. A potential that lies closer to an end than rounding
allows, or in a bucket that holds several, is *unsure*: its codes come from the definition's own comparisons. So a lookup
never decides what the definition would decide otherwise. Of narrower buckets nearly all hold no end at all: there one
load is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from processes.kernels.pieces import pieces
from processes.phase_code import code_dtype
from processes.prefixes import Prefix, sums
from processes.progression import NO_PROGRESSION, Progression, progression_of

Thresholds = Callable[[list[Prefix], np.ndarray], np.ndarray]

MANTISSA_BITS = (7, 9, 10, 11)  # of a bucket, tried until few buckets hold more than one end
FEW = 1 / 64
FINER = (1, 2, 3)  # more bits that quick buckets share, tried until few of them hold an end
QUICK = 1 / 256
LARGE = 2**19  # quick buckets: tables of more are not found in a core's own caches
NARROW = 2.0**-12  # relative width of intervals that are unsure altogether
OCTAVES = 32  # below the largest end that have buckets of their own
ROUNDING = 2.0**-20.5  # relative: of a potential, a factor, a row's gain and their products in float32
KEPT = 2048  # intervals of neurons, 20 KB each: more than a choice of T asks for, which asks for each again and again


class Intervals(NamedTuple):
    """ends (n,), ascending, and codes (planes, n + 1) between them, unsure from ``low`` to ``high`` (n,) around an end.

    Planes beyond those that a word has lanes for are left out; whatever would have spikes there is unsure.
    """

    ends: np.ndarray
    codes: np.ndarray
    low: np.ndarray
    high: np.ndarray


def intervals(after: Thresholds, steps: int, spikes: int) -> Intervals:
    """What fires where.

    Args:
        after: thresholds (n, 4, T) of neurons by what they have sent, and by the ends (n, 2) between which x lies then: they
            fire + at the first step with x >= above_k, or with x <= below_k, and - with lo_k <= x <= hi_k; infinite where
            they cannot.
        steps: T.
        spikes: planes of codes.
    """
    held = min(spikes, lanes(steps))
    found = [_Interval(-np.inf, np.inf, (), goes_on=True)]
    for plane in range(held):
        going_on = [interval for interval in found if interval.goes_on]
        if not going_on:
            break
        ends = np.array([(interval.low, interval.high) for interval in going_on])
        tables = iter(after([interval.sent for interval in going_on], ends))
        last = plane + 1 == held
        found = [
            part
            for interval in found
            for part in (_divide(interval, next(tables), last, spikes) if interval.goes_on else (interval,))
        ]
    ends = np.array([interval.low for interval in found[1:]])
    codes = np.array([interval.sent + (0,) * (held - len(interval.sent)) for interval in found]).T
    unsure = np.array([interval.unsure for interval in found])
    low = np.where(unsure[:-1], [interval.low for interval in found[:-1]], ends)
    high = np.where(unsure[1:], [interval.high for interval in found[1:]], ends)
    return Intervals(ends, codes, low, high)


class _Interval(NamedTuple):
    """Between two ends: what is sent there so far, whether something may follow, and whether it takes the definition."""

    low: float
    high: float
    sent: Prefix
    goes_on: bool
    unsure: bool = False


def _divide(interval: _Interval, tables: np.ndarray, last: bool, spikes: int) -> list[_Interval]:
    """What comes of an interval by thresholds (4, T) of its next spike, the ``last`` one that codes have room for."""
    parts: list[_Interval] = []
    ends, codes = pieces(interval.low, interval.high, tables)
    for (low, high), code in zip(pairwise(ends.tolist()), codes.tolist(), strict=True):
        if high - low >= NARROW * max(abs(low), abs(high)):
            sent = (*interval.sent, code) if code else interval.sent
            more = code != 0 and abs(code) < tables.shape[1] and len(sent) < spikes
            parts.append(_Interval(low, high, sent, more and not last, more and last))
            continue
        if parts and parts[-1].unsure:  # no bucket could tell narrow neighbours apart
            low = parts.pop().low
        parts.append(_Interval(low, high, interval.sent, False, True))
    return parts


def lanes(steps: int) -> int:
    """How many codes a word holds."""
    return 8 // np.dtype(code_dtype(steps)).itemsize


def linear_intervals(first: np.ndarray, midpoints: np.ndarray, levels: np.ndarray, spikes: int) -> Intervals:
    """Those of a neuron that subtracts ``levels`` and goes on with +-``midpoints``, both (T,); first (3, T) is pos, lo, hi."""
    return _linear_intervals(*(np.asarray(a, float).tobytes() for a in (first, midpoints, levels)), spikes)


@lru_cache(maxsize=KEPT)
def _linear_intervals(first: bytes, midpoints: bytes, levels: bytes, spikes: int) -> Intervals:
    pos, lo, hi = np.frombuffer(first).reshape(3, -1)
    rest, level = np.frombuffer(midpoints), np.frombuffer(levels)
    steps = np.arange(len(pos))

    def after(prefixes: list[Prefix], _: np.ndarray) -> np.ndarray:
        if prefixes == [()]:
            return np.stack([pos, np.full_like(pos, -np.inf), lo, hi])[None]
        sent = sums(prefixes, level)[:, None]
        later = steps >= np.array([abs(prefix[-1]) for prefix in prefixes])[:, None]
        never = np.full(later.shape, -np.inf)
        return np.stack([np.where(later, sent + rest, np.inf), never, never, np.where(later, sent - rest, -np.inf)], 1)

    return intervals(after, len(pos), spikes)


@dataclass(frozen=True, eq=False)
class Codebook:
    """Buckets of magnitudes ``first`` to ``first + count - 1`` (in leading bits), positive ones, then negative ones.

    Attributes:
        shift: how many trailing bits share a bucket.
        first, count: which buckets there are; smaller and larger magnitudes belong to the outermost.
        at: (2 * buckets,): codes are sure below the first and from the second on, float32.
        ends: (2 * buckets,): those codes, a spike in every byte (or two, if T > 127).
        finer: how many fewer trailing bits share a quick bucket.
        quick: a first entry, then the codes of quick buckets in which all are the same and sure. Of others, and of the first,
            the first lane holds its most negative number.
        margin: how far beyond ``at`` a neuron may be unsure, in units of x.
        progression: of first and only spikes' thresholds that fall by one ratio, where nothing is looked up in ``quick``.

    Tables of several kinds of neurons stand one after the other.
    """

    shift: np.uint32
    first: np.uint32
    count: np.uint32
    at: np.ndarray
    ends: np.ndarray
    finer: np.uint32
    quick: np.ndarray
    margin: np.float32
    progression: Progression

    @cached_property
    def tables(
        self,
    ) -> tuple[np.uint32, np.uint32, np.uint32, np.ndarray, np.ndarray, np.uint32, np.ndarray, np.float32, np.ndarray]:
        """As the compiled loops take them."""
        tables = self.shift, self.first, self.count, self.at, self.ends, self.finer, self.quick, self.margin
        return *tables, np.array(self.progression, np.float32)

    def begin(self, kind: np.ndarray) -> np.ndarray:
        """Where the buckets of neurons' kinds begin, uint32."""
        return kind.astype(np.uint32) * np.uint32(2 * self.count)


def compile_codebook(kinds: list[Intervals], steps: int, margin: float) -> Codebook:
    """The codebook of intervals by kind of neuron.

    Args:
        kinds: by kind.
        steps: T.
        margin: the most that neurons' potentials or thresholds are rounded by, in units of x. It is cut to what small
            potentials can bear; neurons that round by more are always unsure.
    """
    sizes = np.abs(np.concatenate([kind.ends for kind in kinds]))
    sizes = sizes[(sizes > 0) & np.isfinite(sizes)]
    largest, smallest = (sizes.max(), sizes.min()) if sizes.size else (1.0, 1.0)
    smallest = max(smallest, largest * 2.0**-OCTAVES)
    margin = min(margin, smallest / 8)
    planes = len(kinds[0].codes)
    width = 8 * np.dtype(code_dtype(steps)).itemsize
    for bits in MANTISSA_BITS[:-1]:
        shift, first, last, built = _cut(kinds, bits, smallest, largest, margin)
        if max(several for *_, several in built) <= FEW:
            break
    else:
        shift, first, last, built = _cut(kinds, MANTISSA_BITS[-1], smallest, largest, margin)
    at = np.concatenate([table for table, _, _ in built]).reshape(-1)
    codes = np.concatenate([codes for _, codes, _ in built], 1).reshape(planes, -1)
    progression = NO_PROGRESSION
    if len(kinds) == planes == 1:
        ends, (sent,), low, high = kinds[0]
        progression = progression_of(ends, sent, low, high, steps, ROUNDING)
    nothing = np.zeros((planes, 1), int)
    nothing[0] = -(2 ** (width - 1))
    finer, quick = (0, nothing) if progression.steps else _quick(kinds, shift, first, last, margin, nothing)
    return Codebook(
        np.uint32(shift), np.uint32(first), np.uint32(last - first + 1), at, _packed(codes, width, (32, 64)),
        np.uint32(finer), _packed(quick, width, (8, 16, 32, 64)), np.float32(margin), progression,
    )  # fmt: skip


def _quick(
    kinds: list[Intervals], shift: int, first: int, last: int, margin: float, nothing: np.ndarray
) -> tuple[int, np.ndarray]:
    """How much finer quick buckets are than those of ``shift``, and their codes (planes, 1 + buckets).

    ``nothing`` (planes, 1) stands for codes that are unsure.
    """
    for finer in FINER:
        built = [_buckets(kind, shift - finer, first << finer, (last + 1 << finer) - 1, margin) for kind in kinds]
        unsure = np.concatenate([np.isfinite(at[:, 0]) for at, _, _ in built])
        if unsure.mean() <= QUICK or unsure.size >= LARGE or finer == FINER[-1]:
            codes = np.concatenate([codes[:, :, 0] for _, codes, _ in built], 1)
            return finer, np.column_stack([nothing, np.where(unsure, nothing, codes)])
    raise AssertionError("FINER is empty")


def _packed(codes: np.ndarray, width: int, words: tuple[int, ...]) -> np.ndarray:
    """Codes (planes, n) of so many bits each side by side in the narrowest of some ``words`` that holds them, (n,)."""
    bits = next(bits for bits in words if width * len(codes) <= bits)
    packed = np.zeros(codes.shape[1], f"uint{bits}")
    for p, plane in enumerate(codes):
        packed |= (plane.astype(np.int64) & (2**width - 1)).astype(packed.dtype) << packed.dtype.type(width * p)
    return packed


def _cut(
    kinds: list[Intervals], bits: int, smallest: float, largest: float, margin: float
) -> tuple[int, int, int, list[tuple[np.ndarray, np.ndarray, float]]]:
    """Shift, first and last bucket, and :func:`_buckets` of every kind, for so many bits of mantissa."""
    shift = 23 - bits
    first, last = (int(np.float32(size).view(np.uint32)) >> shift for size in (smallest / 2, largest * 2))
    return shift, first, last, [_buckets(kind, shift, first, last, margin) for kind in kinds]


def _buckets(kind: Intervals, shift: int, first: int, last: int, margin: float) -> tuple[np.ndarray, np.ndarray, float]:
    """at (buckets, 2), codes (planes, buckets, 2), and the share of buckets with more than one end."""
    edges = (np.arange(first, last + 2, dtype=np.uint32) << np.uint32(shift)).view(np.float32).astype(float)
    edges[0], edges[-1] = 0, np.inf
    begin = np.concatenate([edges[:-1], -edges[1:]])
    end = np.concatenate([edges[1:], -edges[:-1]])
    low = np.minimum.accumulate((kind.low - np.abs(kind.low) * ROUNDING)[::-1])[::-1]
    high = np.maximum.accumulate(kind.high + np.abs(kind.high) * ROUNDING)
    before = np.searchsorted(high + margin, begin)  # ends that lie below the bucket
    until = np.searchsorted(low - margin, end, "right")  # ends that lie below its end
    some = until > before
    at = np.full((len(begin), 2), np.inf, np.float32)
    at[some, 0] = np.nextafter(low[before[some]].astype(np.float32), np.float32(-np.inf))
    at[some, 1] = np.nextafter(high[until[some] - 1].astype(np.float32), np.float32(np.inf))
    codes = np.stack([kind.codes[:, before], kind.codes[:, until]], 2)
    return at, codes, float(np.mean(until - before > 1))
