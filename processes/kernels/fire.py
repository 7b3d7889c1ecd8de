"""When each neuron fires: by lookup, and where that is unsure by the comparisons of the definition, step by step.

Potentials v and codes are flat, those of (R, A, M, D) one after the other; ``sides`` are A, M and D.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.fixed import shift_toward_zero
from processes.kernels.compiled import njit
from processes.kernels.lookup import look_up, room, rows_together, share_of, shares
from processes.thresholds import level_entry, scaled_entry

_shift = njit(inline="always")(shift_toward_zero)
INF = np.float32(np.inf)


@njit(parallel=True, cache=True)
def fire_linear(v, sides, scale, table, units, book, tables, spread, codes):
    """Codes (planes, values) of potentials v: + at the first k with v >= pos_k, - with lo_k <= v <= hi_k.

    After a spike of sign z at k the neuron subtracts z * subtract_k and goes on from k + 1 with +-pos. ``tables`` is (pos,
    lo, hi, subtract), each (A * D or 1, T); scale, table (A, D), units and book are those of :func:`look_up`.
    """
    a_len, m_len, d_len = sides
    pos, lo, hi, subtract = tables
    steps, together, rows = pos.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work = room(together * d_len, book[4].dtype)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for u in range(look_up(x, first_row, sides, None, scale, table, units, INF, book, codes, work)):
                i = work[-1][u]
                a, d = i // (m_len * d_len) % a_len, i % d_len
                c, left, k = (a * d_len + d) * spread, np.float64(v[i]), 0
                for p in range(codes.shape[0]):
                    sign = 0
                    while k < steps and sign == 0:
                        if left >= pos[c, k]:
                            sign = 1
                        elif (left <= -pos[c, k]) if p > 0 else (lo[c, k] <= left <= hi[c, k]):
                            sign = -1
                        k += 1
                    codes[p, i] = sign * k
                    if sign == 0:
                        k = steps  # nothing more
                    else:
                        left -= sign * subtract[c, k - 1]


@njit(parallel=True, cache=True)
def fire_nonlinear(
    v, sides, scale, table, units, book, tables, spread, further, row_after, kind, factor, further_shift, codes
):
    """The same of a neuron that subtracts nothing: having sent some codes it goes on with thresholds on v.

    ``further`` (kinds, rows, 4, T) has (above, below, lo, hi) by step: + with v >= above or v <= below, - with lo <= v <= hi,
    for neurons of ``kind`` (A * D or 1,) in units that ``factor`` and ``further_shift`` of the same shape convert
    (:func:`processes.thresholds.scaled_entry`). row_after (rows, 2T + 1) is the row after a code sent in a row, 0 being that
    of a neuron that has sent nothing.
    """
    a_len, m_len, d_len = sides
    pos, lo, hi, _ = tables
    steps, together, rows = pos.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work = room(together * d_len, book[4].dtype)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for u in range(look_up(x, first_row, sides, None, scale, table, units, INF, book, codes, work)):
                i = work[-1][u]
                a, d = i // (m_len * d_len) % a_len, i % d_len
                c, y, k, row = (a * d_len + d) * spread, v[i], 0, 0
                n, f = kind[c], factor[c]
                s = None if further_shift is None else further_shift[c]
                for p in range(codes.shape[0]):
                    sign = 0
                    while k < steps and sign == 0:
                        if p == 0:
                            up, down = y >= pos[c, k], lo[c, k] <= y <= hi[c, k]
                        else:
                            entry = further[n, row, :, k]
                            up = (y >= scaled_entry(entry[0], f, s)) | (y <= scaled_entry(entry[1], f, s))
                            down = scaled_entry(entry[2], f, s) <= y <= scaled_entry(entry[3], f, s)
                        sign = 1 if up else -1 if down else 0
                        k += 1
                    codes[p, i] = sign * k
                    row = row_after[row, sign * k + steps]
                    if sign == 0 or row == 0:
                        k = steps  # nothing more


@njit
def _drive(x, squared, shift, cut, limit):
    """What thresholds are compared with, and the comparand of ``level_entry(...) * factor``, (least, most).

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
def fire_falling(
    v, sides, gain, scale, table, units, biggest, book, squared, shift, cut, limit, entries, factor, spread, rest, unit,
    unit_shift, codes,
):  # fmt: skip
    """Codes (planes, values) of ``v`` against a falling threshold: first k with drive >= entries_k * factor >> shift.

    drive is |y|, or y^2 if ``squared``, of y = v >> cut, clipped to +-limit. entries (A * D or 1, T), factor (R * A * M,),
    whose inverse, or its root, is ``gain``, float32. Where y = 0 or factor = 0 nothing fires. Having sent A in units of
    ``rest`` (levels and midpoints, (2, T)), a neuron fires on at the first later k with drive at least the threshold of A +
    midpoint_k, or with the other sign at most that of A - midpoint_k; its entries are ``level_entry`` of these, by unit
    and unit_shift.
    """
    a_len, m_len, d_len = sides
    steps, together, rows = entries.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work = room(together * d_len, book[4].dtype)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for u in range(look_up(x, first_row, sides, gain, scale, table, units, biggest, book, codes, work)):
                i = work[-1][u]
                a, d = i // (m_len * d_len) % a_len, i % d_len
                c, y, f = (a * d_len + d) * spread, v[i], factor[i // d_len]
                s, g = None if shift is None else shift[c], unit[c]
                h = None if unit_shift is None else unit_shift[c]
                least, most = _drive(y, squared, s, cut, limit)
                k, sent = 0 if least > 0 and f > 0 else steps, rest[0, 0] * 0
                for p in range(codes.shape[0]):
                    sign = 0
                    while k < steps and sign == 0:
                        if p == 0:
                            sign = int(entries[c, k] * f <= most)
                        else:
                            up = level_entry(sent + rest[1, k], squared, g, h) * f <= most
                            down = (sent >= rest[1, k]) & (level_entry(sent - rest[1, k], squared, g, h) * f >= least)
                            sign = 1 if up else -1 if down else 0
                        k += 1
                    codes[p, i] = sign * k if y > 0 else -sign * k
                    if sign == 0:
                        k = steps  # nothing more
                    else:
                        sent += sign * rest[0, k - 1]
