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
    """Second plane: at the first j after k with gap <= after[k, 0, j] (+) or gap >= after[k, 1, j] (-).

    ``after`` is (A or 1, T, 2, T), monotone in j. The guess is a lookup: what the first spike leaves depends on how far the
    gap lies from the middle of its step alone, in units of which ``rest`` is a step, and j - k with it.
    """
    _, a_len, m_len, d_len = v.shape
    steps, number = ramp.shape[1] - 2, v.dtype.type
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        c = a * spread
        origin = ramp[c, 1]
        span = (ramp[c, steps] - origin) / number(max(1, steps - 1))
        unit = rest / span
        for m in range(m_len):
            x, first, out = v[r, a, m], codes[0, r, a, m], codes[1, r, a, m]
            winner = _largest(x, number(-3e38))
            for d in range(d_len):
                k = np.int64(first[d]) - 1
                if k < 0:
                    out[d] = 0
                    continue
                gap = winner - x[d]
                left = np.float32((origin - span * number(0.5) + span * number(k) - gap) * unit)
                bucket = np.uint64(left.view(np.uint32) >> shift)
                guess = np.int64(ends[np.uint64(2) * bucket + np.uint64(left >= at[bucket])])
                out[d] = _second(gap, after, c, k, guess)


@njit
def _second(gap, after, c, k, guess):
    """The second code after step k, confirmed or found anew."""
    steps = after.shape[3]
    side = 0 if gap <= after[c, k, 0, steps - 1] else 1
    sign = 1 - 2 * side
    j = max(k + 1, min(k + abs(guess) - 1, steps)) if guess * sign > 0 else steps
    while j > k + 1 and _crossed(gap, after[c, k, side, j - 1], sign):
        j -= 1
    while j < steps and not _crossed(gap, after[c, k, side, j], sign):
        j += 1
    return sign * (j + 1) if j < steps else 0


@njit
def _crossed(gap, threshold, sign):
    """Whether a neuron fires: + below its threshold, - above."""
    return sign * (threshold - gap) >= 0
