"""Compiled loops of WOSS, softmax as a race: a neuron fires the later, the further it lies behind its row's winner."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit
from processes.kernels.fire import INF, narrowed, nearby
from processes.kernels.lookup import look_up, room, rows_together, share_of, shares, unknown

ZERO = np.float32(0)
ALL = np.int64(2**63 - 1)  # bits but the sign
LOWEST = np.int64(np.float64(-3e38).view(np.int64) ^ ALL)  # winner of a row of which nothing takes part


@njit
def _ordered(bits):
    """Bits of a float64 as integers in the order of the numbers, and the way back."""
    return bits ^ ((bits >> 63) & ALL)


@njit
def gaps(v, gap):
    """Write how far (rows, D) each potential v (rows, D) lies behind the largest of its row.

    Compilers look for the largest of many integers at a time, but of one float after another, as one might be no number.
    """
    for m in range(len(v)):
        x, own, largest = v[m], gap[m], LOWEST
        for d in range(len(x)):
            largest = max(largest, _ordered(np.float64(x[d]).view(np.int64)))
        winner = v.dtype.type(np.int64(_ordered(largest)).view(np.float64))
        for d in range(len(x)):
            own[d] = winner - x[d]


@njit(fastmath={"contract"})
def _count(gap, per_gap, origin, steps, near, codes):
    """Write codes (n,) of gaps (n,) as if thresholds were evenly spaced, NONE if that is unsure; returns if any is.

    The place gap * per_gap + origin is k at the k-th threshold, so its whole part counts thresholds passed. A code is
    unsure if its place is NaN or lies farther than ``near`` from the middle between two whole numbers.
    """
    number, any_unsure = gap.dtype.type, False
    half, last, most, none = number(0.5), np.int32(steps), number(steps) + number(0.5), unknown(codes)
    for d in range(len(gap)):
        place = min(max(gap[d] * per_gap + origin, half), most)
        k = np.int32(place)
        code = np.int32(k + 1) if k < last else np.int32(0)
        codes[d] = codes.dtype.type(code if abs(place - number(k) - half) <= near else none)
    for d in range(len(codes)):
        any_unsure |= codes[d] == none
    return any_unsure


@njit(parallel=True, cache=True)
def fire_ramp(v, ramp, spread, accuracy, codes):
    """Write the first plane of codes (planes, R, A, M, D) of rows v: first k with max_d v - v <= ramp_k, none at -inf.

    ramp (A or 1, T + 2) rises evenly between a first entry of -inf and a last one of inf, in v's type, whose relative
    ``accuracy`` is given; ``spread`` is 0 if all heads share it, else 1. Codes are counted as if thresholds were exactly
    evenly spaced; where a gap lies so near one that this could be wrong, it is searched by bisection.
    """
    _, a_len, m_len, d_len = v.shape
    steps, number, together = ramp.shape[1] - 2, v.dtype.type, rows_together(d_len)
    none = unknown(codes)
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        limit, work = ramp[a * spread], np.empty((min(together, m_len), d_len), v.dtype)
        per_gap = number((steps - 1) / max(1e-30, float(limit[steps] - limit[1]))) if steps > 1 else number(1)
        origin = number(1) - limit[1] * per_gap
        rounding, uneven = 8 * accuracy * (steps + 2 + abs(float(origin))), 0.0  # a generous bound for three operations
        for k in range(1, steps + 1):
            uneven = max(uneven, abs(float(limit[k]) * float(per_gap) + float(origin) - k))
        near = number(0.5 - rounding - uneven)
        for m in range(0, m_len, together):
            x = v[r, a, m : m + together]
            gaps(x, work)
            gap, out = work[: len(x)].reshape(-1), codes[0, r, a, m : m + together].reshape(-1)
            if _count(gap, per_gap, origin, steps, near, out):
                for d in range(len(gap)):
                    if out[d] == none:
                        k = np.searchsorted(limit, gap[d]) - 1
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
            gaps(x.reshape(-1, d_len), gap.reshape(-1, d_len))
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
