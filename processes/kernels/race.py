"""Softmax's race: who fires when behind the row's winner."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(fastmath={"nnan", "nsz"})
def _largest(row, lowest):
    """The largest of a row, ``lowest`` if nothing is above it."""
    winner = lowest
    for d in range(len(row)):
        winner = max(winner, row[d])
    return winner


@njit(parallel=True, cache=True)
def fire_ramp(v, ramp, spread, codes):
    """First plane of codes (planes, R, A, M, D) of rows ``v``: first k with max_d v - v <= ramp_k, never where v = -inf.

    ramp (A or 1, T + 2) rises evenly between -inf and inf, in v's type.
    """
    _, a_len, m_len, d_len = v.shape
    steps, number = ramp.shape[1] - 2, v.dtype.type
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        limit = ramp[a * spread]
        per_gap = number((steps - 1) / max(1e-30, float(limit[steps] - limit[1])))
        origin, last = number(0.5) - limit[1] * per_gap, number(steps)
        for m in range(m_len):
            x, out = v[r, a, m], codes[0, r, a, m]
            winner = _largest(x, number(-3e38))
            sure = True
            for d in range(d_len):
                gap = winner - x[d]
                # within half a step, so that the step is this one or the next, were thresholds spaced exactly
                k = np.uint32(np.int32(max(number(0), min(last, gap * per_gap + origin))))
                k += np.uint32(gap > limit[k + np.uint32(1)])
                sure &= (gap > limit[k]) & (gap <= limit[k + np.uint32(1)])
                out[d] = np.int32(k < steps) * np.int32(k + np.uint32(1))
            if not sure:
                for d in range(d_len):
                    k = np.searchsorted(limit, winner - x[d]) - 1
                    out[d] = (k + 1) * (k < steps)


@njit(parallel=True, cache=True)
def fire_ramp_again(v, ramp, after, rest, shift, at, ends, spread, codes):
    """Second plane: at the first j after k with gap <= after[k, 0, j] (+) or, if no j is, gap >= after[k, 1, j] (-).

    ``after`` is (A or 1, T, 2, T), monotone in j. The guess is a lookup: what the first spike leaves depends on how far the
    gap lies from the middle of its step alone, in units of which ``rest`` is a step, and j - k with it.
    """
    _, a_len, m_len, d_len = v.shape
    number, one = v.dtype.type, np.uint64(1)
    steps = np.uint64(ramp.shape[1] - 2)
    last = steps - one
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        c = np.uint64(a * spread)
        span = (ramp[c, steps] - ramp[c, 1]) / number(max(one, last))
        middle, unit = ramp[c, 1] - span * number(0.5), rest / span
        left = np.empty(d_len, np.float32)
        for m in range(m_len):
            x, first, out = v[r, a, m], codes[0, r, a, m], codes[1, r, a, m]
            winner = _largest(x, number(-3e38))
            for d in range(d_len):
                left[d] = np.float32((middle + span * number(max(np.int32(first[d]) - 1, 0)) - (winner - x[d])) * unit)
            for d in range(d_len):
                bucket = np.uint64(np.float32(left[d]).view(np.uint32) >> shift)
                out[d] = ends[np.uint64(2) * bucket + np.uint64(left[d] >= at[bucket])]
            for d in range(d_len):
                sent, code = np.int32(first[d]), np.int32(out[d])
                j = max(sent - 1 + abs(code), sent + 1)  # code of the second spike
                out[d] = (np.int32(code > 0) - np.int32(code < 0)) * j * np.int32((j <= steps) & (sent > 0))
            sure = True
            for d in range(d_len):
                gap, side = winner - x[d], np.uint64(out[d] < 0)
                k = np.uint64(max(np.int64(first[d]) - 1, 0))
                j = min(np.uint64(abs(np.int64(out[d]))) - one, steps)
                sign = number(1) - number(2) * number(side)
                # it fires at j and, unless that is the first spike's own step, not at j - 1; or with neither sign at the last
                less = gap > after[c, k, 0, last]  # e is less than what was sent
                now = (sign * (after[c, k, side, min(j, last)] - gap) >= 0) & (less == (side == one))
                earlier = (sign * (after[c, k, side, j - one] - gap) >= 0) & (j > k + one)
                never = less & (gap < after[c, k, 1, last])
                sure &= (first[d] == 0) | ((j < steps) & now & ~earlier) | ((j == steps) & never)
            if not sure:
                for d in range(d_len):
                    out[d] = 0 if first[d] == 0 else _second(winner - x[d], after, c, np.int64(first[d]) - 1)


@njit
def _second(gap, after, c, k):
    """The second code after step k."""
    steps = after.shape[3]
    side = np.int64(gap > after[c, k, 0, steps - 1])
    sign = 1 - 2 * side
    for j in range(k + 1, steps):
        if sign * (after[c, k, side, j] - gap) >= 0:
            return sign * (j + 1)
    return 0
