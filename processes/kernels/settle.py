"""Codes by the definition's comparisons: guesses are confirmed or replaced.

At most one comparison in hundreds replaces its guess, so the search need not be quick; confirming must be.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import njit, prange

from processes.fixed import shift_toward_zero
from processes.thresholds import level_entry

_shift = njit(inline="always")(shift_toward_zero)


@njit(parallel=True, cache=True)
def settle(v, pos, lo, hi, subtract, spread, codes):
    """Codes of potentials ``v`` (R, A, M, D): + at the first k with v >= pos_k, - with lo_k <= v <= hi_k.

    After a spike of sign z at k the neuron subtracts z * subtract_k and goes on from k+1 with +-pos, once for every plane
    of codes (planes, R, A, M, D). Tables are float64, (A * D or 1, T), the first three between a step that never fires and
    one that always does, (A * D or 1, T + 2).
    """
    _, a_len, m_len, d_len = v.shape
    one = np.uint64(1)
    steps = np.uint64(pos.shape[1] - 2)
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        left = np.empty(d_len)
        for m in range(m_len):
            left[:] = v[r, a, m]
            out, sure = codes[0, r, a, m], True
            for d in range(d_len):
                c, x, code = np.uint64((a * d_len + d) * spread), left[d], np.int64(out[d])
                k = min(np.uint64(abs(code)) - one, steps)  # of silence, the number of steps
                above, within = x >= pos[c, k + one], (lo[c, k + one] <= x) & (x <= hi[c, k + one])
                earlier = (x >= pos[c, k]) | ((lo[c, k] <= x) & (x <= hi[c, k]))
                sure &= (above | within) & ~earlier & ((code == 0) | (above == (code > 0)))
            if not sure:
                for d in range(d_len):
                    c, x, k = (a * d_len + d) * spread, left[d], 0
                    while not (x >= pos[c, k + 1] or lo[c, k + 1] <= x <= hi[c, k + 1]):
                        k += 1
                    out[d] = 0 if k == steps else k + 1 if x >= pos[c, k + 1] else -k - 1
            for p in range(1, codes.shape[0]):
                before, out, sure = codes[p - 1, r, a, m], codes[p, r, a, m], True
                for d in range(d_len):
                    c, code = np.uint64((a * d_len + d) * spread), np.int64(before[d])
                    taken = subtract[c, max(np.uint64(abs(code)), one) - one]
                    left[d] -= taken * np.float64(np.int64(code > 0) - np.int64(code < 0))
                for d in range(d_len):
                    c, code = np.uint64((a * d_len + d) * spread), np.int64(out[d])
                    k, first = min(np.uint64(abs(code)) - one, steps), np.uint64(abs(np.int64(before[d])))
                    x = abs(left[d])
                    fires = (pos[c, k + one] <= x) & ((pos[c, k] > x) | (k == first)) & (k >= first)
                    fires &= (first > 0) & ((code > 0) == (left[d] >= 0))
                    sure &= fires | ((code == 0) & ((pos[c, steps] > x) | (first == 0) | (first == steps)))
                if not sure:
                    for d in range(d_len):
                        c, k = (a * d_len + d) * spread, abs(np.int64(before[d]))
                        while pos[c, k + 1] > abs(left[d]):
                            k += 1
                        sign = 1 if left[d] >= 0 else -1
                        out[d] = sign * (k + 1) if k < steps and before[d] != 0 else 0


@njit
def _sequel_fires(x, tables, n, row, k, factor, exact):
    """+1, -1 or 0: what tables[n, row] (4, T) of (above, below, lo, hi) say of x at k."""
    above, below = _scaled(tables[n, row, 0, k], factor, exact), _scaled(tables[n, row, 1, k], factor, exact)
    lo, hi = _scaled(tables[n, row, 2, k], factor, exact), _scaled(tables[n, row, 3, k], factor, exact)
    up, down = x >= above, (lo <= x) & (x <= hi)
    return np.int64(up | ((x <= below) & ~down)) - np.int64(down & ~up)


@njit
def _scaled(entry, factor, exact):
    """Threshold of a neuron from an entry that many share: entry / factor, or the integer part of entry * factor."""
    return np.trunc(np.float64(entry) * factor) if exact else np.float64(entry) / factor


@njit(parallel=True, cache=True)
def settle_sequel(v, tables, kind, factor, exact, spread, codes):
    """Second plane of codes (2, R, A, M, D), which come settled in the first and with guesses in the second.

    ``tables`` (kinds, 2T + 1, 4, T), float, say what a neuron of ``kind`` (A * D or 1,) does after each first code;
    ``factor``, float64 of the same shape, brings their entries to the unit of v, in integers if ``exact``.
    """
    _, a_len, m_len, d_len = v.shape
    one, steps = np.uint64(1), np.uint64(tables.shape[3])
    last = steps - one
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        sure = np.empty(d_len, np.bool_)
        for m in range(m_len):
            x, first, out = v[r, a, m], codes[0, r, a, m], codes[1, r, a, m]
            for d in range(d_len):
                c, sent, code = np.uint64((a * d_len + d) * spread), np.int64(first[d]), np.int64(out[d])
                n, row = np.uint64(kind[c]), np.uint64(sent + np.int64(steps))
                k, begin = min(np.uint64(abs(code)) - one, steps), np.uint64(abs(sent))  # of silence, the number of steps
                now = _sequel_fires(x[d], tables, n, row, min(k, last), factor[c], exact)
                before = _sequel_fires(x[d], tables, n, row, max(k, one) - one, factor[c], exact)
                sign = np.int64(code > 0) - np.int64(code < 0)
                sure[d] = (sent == 0) | (((k == begin) | (before == 0)) & ((k == steps) | (now == sign)))
            for d in range(d_len):
                if not sure[d]:
                    c, sent = (a * d_len + d) * spread, np.int64(first[d])
                    k, fires = abs(sent), np.int64(0)
                    while fires == 0 and k < np.int64(steps):
                        fires = _sequel_fires(x[d], tables, kind[c], sent + np.int64(steps), k, factor[c], exact)
                        k += 1
                    out[d] = fires * k


@njit
def _drive(x, squared, shift, cut, limit):
    """(least, most) of what table entries times factors are compared with.

    Integers are shifted right by ``cut`` and clipped to ``limit``; they compare with (entry * factor) >> shift, which is
    written as entry * factor <= most = ((drive + 1) << shift) - 1 and >= least = drive << shift.
    """
    if shift is None:
        drive = x * x if squared else abs(x)
        return drive, drive
    y = min(max(_shift(np.int64(x), cut), -limit), limit)
    least = (y * y if squared else abs(y)) << shift
    return least, least + (np.int64(1) << shift) - 1


@njit(parallel=True, cache=True)
def settle_falling(v, squared, integer, cut, limit, table, factor, spread, codes):
    """First plane of codes (planes, R, A, M, D) of ``v`` against a falling threshold: first k with drive >= table_k * factor.

    drive is |y|, or y^2 if ``squared``, of y = v * cut, which integers round toward zero and clip to +-limit; they compare
    with the threshold's integer part. table (A * D or 1, T + 2) falls from inf to -inf, factor is (R, A, M); everything is
    float64 and exact as long as integer products stay below 2^53. Where y = 0 or factor = 0 nothing fires.
    """
    _, a_len, m_len, d_len = v.shape
    one = np.uint64(1)
    steps = np.uint64(table.shape[1] - 2)
    # entry * factor < drive + 1, as a comparison with the number below drive + 1
    more, below = (1.0, 1 - 2.0**-53) if integer else (0.0, 1.0)
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        most = np.empty(d_len)
        for m in range(m_len):
            f, x, out = factor[r, a, m], v[r, a, m], codes[0, r, a, m]
            for d in range(d_len):
                y = np.float64(x[d]) * cut
                if integer:
                    y = min(max(np.trunc(y), -limit), limit)
                drive = (y * y if squared else abs(y)) + more
                most[d] = drive * below if y != 0 else -1e300
            sure = f > 0
            for d in range(d_len):
                c = np.uint64((a * d_len + d) * spread)
                k = min(np.uint64(abs(np.int64(out[d]))) - one, steps)  # of silence, the number of steps
                sure &= (table[c, k] * f > most[d]) & (table[c, k + one] * f <= most[d])
            if not sure:
                for d in range(d_len):
                    c = (a * d_len + d) * spread
                    k = np.int64(0)
                    while f > 0 and table[c, k + 1] * f > most[d]:
                        k += 1
                    sign = 1 if x[d] > 0 else -1
                    out[d] = sign * (k + 1) if f > 0 and k < steps else 0


@njit(parallel=True, cache=True)
def settle_falling_further(v, squared, shift, cut, limit, factor, spread, rest, gain, gain_shift, codes):
    """Planes 1 on of the same, from a settled first one.

    Having sent A in units of ``rest`` (levels and midpoints, (2, T)), a neuron fires on at the first later k with drive at
    least the threshold of A + midpoint_k, or with the other sign at most that of A - midpoint_k; table_k is then
    ``level_entry`` of these.
    """
    planes = codes.shape[0]
    _, a_len, m_len, d_len = v.shape
    steps = rest.shape[1]
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        for m in range(m_len):
            f = factor[r, a, m]
            for d in range(d_len):
                c = (a * d_len + d) * spread
                s, g = None if shift is None else shift[c], gain[c]
                h = None if gain_shift is None else gain_shift[c]
                least, most = _drive(v[r, a, m, d], squared, s, cut, limit)
                before = np.int64(codes[0, r, a, m, d])
                sign = 1 if before > 0 else -1
                sent = rest[0, 0] * 0
                for p in range(1, planes):
                    if before == 0:
                        codes[p, r, a, m, d] = 0
                        continue
                    first = abs(before)
                    sent += rest[0, first - 1] if before * sign > 0 else -rest[0, first - 1]
                    guess = abs(np.int64(codes[p, r, a, m, d]))
                    k = max(guess - 1, first) if guess > 0 else steps
                    while k > first and _fires_on(least, most, sent, rest[1, k - 1], squared, g, h, f) != 0:
                        k -= 1
                    fires = 0
                    while k < steps:
                        fires = _fires_on(least, most, sent, rest[1, k], squared, g, h, f)
                        if fires != 0:
                            break
                        k += 1
                    before = sign * fires * (k + 1)
                    codes[p, r, a, m, d] = before


@njit
def _fires_on(least, most, sent, midpoint, squared, gain, shift, factor):
    """+1, -1 or 0: whether a neuron that has sent ``sent`` goes on with the sign it began with, or the other.

    Both comparisons are always made: which one decides is as good as random.
    """
    up = level_entry(sent + midpoint, squared, gain, shift) * factor <= most
    down = (sent >= midpoint) & (level_entry(sent - midpoint, squared, gain, shift) * factor >= least)
    return np.int64(up) - np.int64(down & ~up)
