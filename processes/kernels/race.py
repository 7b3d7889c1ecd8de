"""Compiled loops of WOSS, softmax as a race: a neuron fires the later, the further it lies behind its row's winner."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit
from processes.kernels.fire import INF, narrowed, nearby
from processes.kernels.lookup import look_up, room, rows_together, share_of, shares

ZERO = np.float32(0)


@njit
def _largest(row, lowest):
    """Largest of a row, or ``lowest`` if nothing is above it, by four maxima that do not wait for one another."""
    one, two, three, four = lowest, lowest, lowest, lowest
    fours = len(row) // 4 * 4
    for d in range(0, fours, 4):
        one, two = max(one, row[d]), max(two, row[d + 1])
        three, four = max(three, row[d + 2]), max(four, row[d + 3])
    for d in range(fours, len(row)):
        one = max(one, row[d])
    return max(max(one, two), max(three, four))


@njit
def _count(x, winner, per_gap, origin, steps, near, codes):
    """Write codes (D,) of potentials x (D,) as if thresholds were evenly spaced; returns how many codes are unsure.

    The place (winner - x) * per_gap + origin is k at the k-th threshold, so its whole part counts thresholds passed. A
    code is unsure if its place is NaN or lies farther than ``near`` from the middle between two whole numbers.
    """
    number = x.dtype.type
    half, last, unsure = number(0.5), np.int32(steps), 0
    for d in range(len(x)):
        place = min(max((winner - x[d]) * per_gap + origin, half), number(steps) + half)
        k = np.int32(place)
        unsure += not abs(place - number(k) - half) <= near  # also true of NaN
        codes[d] = k + 1 if k < last else 0
    return unsure


@njit(parallel=True, cache=True)
def fire_ramp(v, ramp, spread, accuracy, codes):
    """Write the first plane of codes (planes, R, A, M, D) of rows v: first k with max_d v - v <= ramp_k, none at -inf.

    ramp (A or 1, T + 2) rises evenly between a first entry of -inf and a last one of inf, in v's type, whose relative
    ``accuracy`` is given; ``spread`` is 0 if all heads share it, else 1. A row's codes are counted as if thresholds
    were exactly evenly spaced; where a gap lies so near one that this could be wrong, the row is searched by bisection.
    """
    _, a_len, m_len, d_len = v.shape
    steps, number = ramp.shape[1] - 2, v.dtype.type
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        limit = ramp[a * spread]
        per_gap = number((steps - 1) / max(1e-30, float(limit[steps] - limit[1]))) if steps > 1 else number(1)
        origin = number(1) - limit[1] * per_gap
        rounding, uneven = 8 * accuracy * (steps + 2 + abs(float(origin))), 0.0  # a generous bound for three operations
        for k in range(1, steps + 1):
            uneven = max(uneven, abs(float(limit[k]) * float(per_gap) + float(origin) - k))
        near = number(0.5 - rounding - uneven)
        for m in range(m_len):
            x, out = v[r, a, m], codes[0, r, a, m]
            winner = _largest(x, number(-3e38))
            if _count(x, winner, per_gap, origin, steps, near, out):
                for d in range(d_len):
                    k = np.searchsorted(limit, winner - x[d]) - 1
                    out[d] = (k + 1) * (k < steps)


@njit(parallel=True, cache=True)
def fire_ramp_further(v, sides, table, book, ramp, after, row_after, spread, codes):
    """Write codes (planes, values) of flat potentials v, whose rows along D race, with several spikes for each neuron.

    The gap is a neuron's distance behind its row's largest potential; the first spike comes at the first k with gap <=
    ramp_k. Having sent some codes, a neuron fires + at the first later j with gap <= after[row, 0, j] or - with gap >=
    after[row, 1, j]. ramp (A or 1, T), after (A or 1, rows, 2, T), row_after (rows, 2T + 1) the row after a code sent
    in a row, 0 being that of a neuron that has sent nothing; sides, table (A, D) and book are those of :func:`look_up`,
    for gaps.
    """
    a_len, m_len, d_len = sides
    steps, together, rows = ramp.shape[1], rows_together(d_len), len(v) // d_len
    one = np.ones((a_len, d_len), np.float32)
    for part in prange(shares(rows, d_len)):
        work, gap = room(together * d_len, book), np.empty(together * d_len, v.dtype)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for j in range(0, len(x), d_len):
                winner = _largest(x[j : j + d_len], v.dtype.type(-3e38))
                for d in range(d_len):
                    gap[j + d] = winner - x[j + d]
            found = look_up(gap[: len(x)], first_row, sides, None, one, table, ZERO, INF, book, codes, work)
            for u in range(found):
                i = work[-1][u]
                c, distance, k, row = i // (m_len * d_len) % a_len * spread, gap[i - first_row * d_len], 0, 0
                for p in range(codes.shape[0]):
                    j, high, looked, sign = nearby(codes[p, i], k, steps), steps, 0, 0
                    while k < high:
                        up = distance <= (ramp[c, j] if p == 0 else after[c, row, 0, j])
                        fires = up or (p > 0 and distance >= after[c, row, 1, j])
                        sign = 1 if up else -1 if fires else sign
                        j, k, high = narrowed(fires, j, k, high, looked)
                        looked += 1
                    codes[p, i] = sign * (k + 1)
                    row = row_after[row, codes[p, i] + steps]
                    k = k + 1 if sign != 0 and row != 0 else steps  # otherwise nothing more
