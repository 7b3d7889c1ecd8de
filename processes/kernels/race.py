"""Softmax's race: who fires when behind the row's winner."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit
from processes.kernels.fire import INF
from processes.kernels.lookup import look_up, room, rows_together, share_of, shares

ZERO = np.float32(0)


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
def fire_ramp_further(v, sides, table, book, ramp, after, row_after, spread, codes):
    """Codes (planes, values) of rows (R, A, M, D), one after the other, of neurons that go on after they have fired.

    Having sent some codes, a neuron fires + at the first later j with gap <= after[row, 0, j] or - with gap >= after[row,
    1, j]. ramp (A or 1, T), after (A or 1, rows, 2, T), row_after (rows, 2T + 1) the row after a code sent in a row, 0 being
    that of a neuron that has sent nothing; sides, table (A, D) and book are those of :func:`look_up`, for the gap.
    """
    a_len, m_len, d_len = sides
    steps, together, rows = ramp.shape[1], rows_together(d_len), len(v) // d_len
    one = np.ones((a_len, d_len), np.float32)
    for part in prange(shares(rows, d_len)):
        work, gap = room(together * d_len, book[4].dtype), np.empty(together * d_len, v.dtype)
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
                    sign = 0
                    while k < steps and sign == 0:
                        if p == 0:
                            sign = int(distance <= ramp[c, k])
                        elif distance <= after[c, row, 0, k]:
                            sign = 1
                        elif distance >= after[c, row, 1, k]:
                            sign = -1
                        k += 1
                    codes[p, i] = sign * k
                    row = row_after[row, sign * k + steps]
                    if sign == 0 or row == 0:
                        k = steps  # nothing more
