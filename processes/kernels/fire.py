"""When each neuron fires: by lookup, and where that is unsure by the comparisons of the definition, step by step.

Potentials v and codes are flat, in the order of (R, A, M, D); ``sides`` are (A, M, D). ``spread`` is 1 where each
neuron has a table row of its own, number a * D + d, and 0 where all share one row.
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
SMALLEST = np.float32(1e-30)  # divisor


@njit
def placed(i, first_row, sides):
    """(row, a, d) of value i, near ``first_row``: 32-bit offsets divide several times as fast as 64-bit indices."""
    a_len, m_len, d_len = sides
    own = np.uint32(i - first_row * d_len)
    down = own // np.uint32(d_len)
    row = first_row + np.int64(down)
    a = row // m_len % a_len if a_len > 1 else 0
    return row, a, np.int64(own - down * np.uint32(d_len))


@njit
def nearby(code, begin, steps):
    """Step at which a search begins: that of the looked-up code, the last for silence, but none before ``begin``."""
    guess = abs(np.int64(code))
    return max(begin, guess - 1 if guess > 0 else steps - 1)


@njit(inline="always")
def narrowed(fires, j, low, high, looked):
    """(next j, low, high): the range [low, high] that holds a neuron's first spike, after a look at j (``fires``).

    A threshold that is reached at a step is reached at all later ones, so the first such step can be found from any
    other: the second look is beside the first, later ones bisect; ``looked`` counts those before. The search ends at
    low = high, which is the window's length if the neuron does not fire.
    """
    low, high = (low, j) if fires else (j + 1, high)
    beside = high - 1 if fires else low
    return beside if looked == 0 else (low + high) // 2, low, high


@njit
def _linear_sign(left, plane, pos, lo, hi):
    """Sign of the spike that a linear neuron fires with potential ``left`` after ``plane`` spikes; 0 for none."""
    if left >= pos:
        return 1
    return -1 if ((left <= -pos) if plane > 0 else (lo <= left <= hi)) else 0


@njit
def _falling_sign(drive, plane, entry, sent, midpoint):
    """Sign, relative to v's, of the spike of a dividing neuron after ``plane`` spikes worth ``sent``; 0 for none.

    ``entry`` is the threshold of a first spike, ``midpoint`` that of the code. ``drive`` is (least, most) of
    :func:`_drive`, the row's factor, and squared, gain and shift of :func:`processes.thresholds.level_entry`.
    """
    least, most, factor, squared, gain, shift = drive
    if plane == 0:
        return 1 if entry * factor <= most else 0
    if level_entry(sent + midpoint, squared, gain, shift) * factor <= most:
        return 1
    down = sent >= midpoint and level_entry(sent - midpoint, squared, gain, shift) * factor >= least
    return -1 if down else 0


@njit(parallel=True, cache=True)
def fire_linear(v, sides, scale, table, units, book, tables, spread, codes):
    """Write codes (planes, values) of phase neurons of a linear function with potentials v.

    A neuron fires + at the first k with v >= pos_k, or - with lo_k <= v <= hi_k. After a spike of sign z at k it
    subtracts z * subtract_k and goes on from k + 1 with +-pos. ``tables`` is (pos, lo, hi, subtract), each (A * D or 1,
    T); scale, table (A, D), units and book are those of :func:`look_up`.
    """
    d_len = sides[2]
    pos, lo, hi, subtract = tables
    steps, together, rows = pos.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work = room(together * d_len, book)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for u in range(look_up(x, first_row, sides, None, scale, table, units, INF, book, codes, work)):
                i = work[-1][u]
                _, a, d = placed(i, first_row, sides)
                c, left, k = (a * d_len + d) * spread, np.float64(v[i]), 0
                for p in range(codes.shape[0]):
                    j, high, looked, sign = nearby(codes[p, i], k, steps), steps, 0, 0
                    while k < high:
                        found = _linear_sign(left, p, pos[c, j], lo[c, j], hi[c, j])
                        sign = found if found != 0 else sign
                        j, k, high = narrowed(found != 0, j, k, high, looked)
                        looked += 1
                    codes[p, i] = sign * (k + 1)
                    if sign != 0:
                        left -= sign * subtract[c, k]
                    k = k + 1 if sign != 0 else steps  # without a spike nothing more


@njit(parallel=True, cache=True)
def fire_nonlinear(
    v, sides, scale, table, units, book, tables, spread, further, row_after, kind, factor, further_shift, codes
):
    """Write codes (planes, values) of phase neurons of a nonlinear function, which subtract nothing when they fire.

    First spikes and all arguments not named here are as in :func:`fire_linear`. Later spikes meet thresholds on v that
    depend on the codes sent: ``further`` (kinds, rows, 4, T) has (above, below, lo, hi) by step: + with v >= above or
    v <= below, - with lo <= v <= hi, for neurons of ``kind`` (A * D or 1,) in units that ``factor`` and
    ``further_shift`` of the same shape convert (:func:`processes.thresholds.scaled_entry`). row_after (rows, 2T + 1) is
    the row after a code sent in a row, row 0 being that of a neuron that has sent nothing.
    """
    d_len = sides[2]
    pos, lo, hi, _ = tables
    steps, together, rows = pos.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work = room(together * d_len, book)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            for u in range(look_up(x, first_row, sides, None, scale, table, units, INF, book, codes, work)):
                i = work[-1][u]
                _, a, d = placed(i, first_row, sides)
                c, y, k, row = (a * d_len + d) * spread, v[i], 0, 0
                n, f = kind[c], factor[c]
                s = None if further_shift is None else further_shift[c]
                for p in range(codes.shape[0]):
                    j, high, looked, sign = nearby(codes[p, i], k, steps), steps, 0, 0
                    while k < high:
                        if p == 0:
                            up, down = y >= pos[c, j], lo[c, j] <= y <= hi[c, j]
                        else:
                            entry = further[n, row, :, j]
                            up = (y >= scaled_entry(entry[0], f, s)) | (y <= scaled_entry(entry[1], f, s))
                            down = scaled_entry(entry[2], f, s) <= y <= scaled_entry(entry[3], f, s)
                        sign = 1 if up else -1 if down else sign
                        j, k, high = narrowed(up | down, j, k, high, looked)
                        looked += 1
                    codes[p, i] = sign * (k + 1)
                    row = row_after[row, codes[p, i] + steps]
                    k = k + 1 if sign != 0 and row != 0 else steps  # otherwise nothing more


@njit
def _drive(x, squared, shift, cut, limit):
    """(least, most): a drive reaches its threshold if entry * factor <= most, and is at most that if it is >= least.

    The drive is |x|, or x^2 if ``squared``; without a ``shift``, in real numbers, both bounds are the drive. An integer
    x is first shifted right by ``cut`` and clipped to +-limit; as it compares with (entry * factor) >> shift, most is
    ((drive + 1) << shift) - 1 and least is drive << shift.
    """
    if shift is None:
        drive = x * x if squared else abs(x)
        return drive, drive
    y = min(max(_shift(np.int64(x), cut), -limit), limit)
    least = (y * y if squared else abs(y)) << shift
    return least, least + (np.int64(1) << shift) - 1


@njit
def _invert(factor, squared, gain):
    """Write gain (rows,) = 1 / factor, or its root if ``squared``; neurons of factor 0 are unsure, whatever their gain."""
    for j in range(len(factor)):
        inverse = np.float32(1) / max(np.float32(factor[j]), SMALLEST)
        gain[j] = np.sqrt(inverse) if squared else inverse


@njit(parallel=True, cache=True)
def fire_falling(
    v, sides, scale, table, units, biggest, book, squared, shift, cut, limit, entries, factor, spread, rest, unit, unit_shift,
    codes,
):  # fmt: skip
    """Write codes (planes, values) of dynamic-threshold neurons: first k with drive >= (entries_k * factor) >> shift.

    The drive is |y|, or y^2 if ``squared``, of y = v >> cut, clipped to +-limit. entries are (A * D or 1, T),
    ``factor`` is (R * A * M,). Where y = 0 or factor <= 0 nothing fires. Having sent A in units of ``rest`` (levels and
    midpoints, (2, T)), a neuron goes on at the first later k at which the drive reaches the threshold of A + midpoint_k,
    or with the other sign where it is at most that of A - midpoint_k; the entries of both are ``level_entry`` of these
    sums, by unit and unit_shift. Above ``biggest`` lookups of |v| are unsure.
    """
    d_len = sides[2]
    steps, together, rows = entries.shape[1], rows_together(d_len), len(v) // d_len
    for part in prange(shares(rows, d_len)):
        work, gain = room(together * d_len, book), np.empty(together, np.float32)
        for first_row in share_of(part, rows, d_len):
            x = v[first_row * d_len : (first_row + together) * d_len]
            _invert(factor[first_row : first_row + together], squared, gain)
            for u in range(look_up(x, first_row, sides, gain, scale, table, units, biggest, book, codes, work)):
                i = work[-1][u]
                row, a, d = placed(i, first_row, sides)
                c, y, f = (a * d_len + d) * spread, v[i], factor[row]
                s, g = None if shift is None else shift[c], unit[c]
                h = None if unit_shift is None else unit_shift[c]
                least, most = _drive(y, squared, s, cut, limit)
                k, sent = 0 if least > 0 and f > 0 else steps, rest[0, 0] * 0
                drive = (least, most, f, squared, g, h)
                for p in range(codes.shape[0]):
                    j, high, looked, sign = nearby(codes[p, i], k, steps), steps, 0, 0
                    while k < high:
                        found = _falling_sign(drive, p, entries[c, j], sent, rest[1, j])
                        sign = found if found != 0 else sign
                        j, k, high = narrowed(found != 0, j, k, high, looked)
                        looked += 1
                    codes[p, i] = sign * (k + 1) if y > 0 else -sign * (k + 1)
                    if sign != 0:
                        sent += sign * rest[0, k]
                    k = k + 1 if sign != 0 else steps  # without a spike nothing more
