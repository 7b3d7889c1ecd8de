"""Codes of all spikes by lookup: one load, without branches, which nobody could predict; for a few, two more and comparisons.

Loops that load from tables stay apart from those that only calculate: compilers make wide operations of the latter.
Several rows are gone through together, so that beginning a loop does not cost more than its rounds.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit

SIGN, MAGNITUDE = np.uint32(31), np.uint32(0x7FFFFFFF)
ONE = np.uint32(1)
TOGETHER = 1024  # values
SHARE = 16  # times that one worker does so in the same room


@njit
def rows_together(length):
    """How many rows of a length are gone through together."""
    return max(1, TOGETHER // length)


@njit
def shares(rows, length):
    """How many parts the work on so many rows has."""
    share = SHARE * rows_together(length)
    return (rows + share - 1) // share


@njit
def share_of(part, rows, length):
    """First rows of those that are gone through together in a part, and where it ends."""
    share = SHARE * rows_together(length)
    return range(part * share, min(rows, (part + 1) * share), rows_together(length))


@njit
def room(size, book):
    """Arrays for ``size`` values that :func:`look_up` works in with a book, one twice, for eight numbers at once too."""
    quick, few = book[6], np.empty((size + 7) // 8 * 8, np.uint8)
    return np.empty(size, np.uint32), np.empty(size, quick.dtype), few, few.view(np.uint64), np.empty(size, np.int64)


@njit(inline="always")
def _place(x, factor, table, known):
    """Where the codes of a potential stand among quick ones, 0 if it is unsure."""
    units, limit, narrow, lowest, highest, count, finer, margin = known
    bits = np.float32(x * factor).view(np.uint32)
    bucket = min(max((bits & MAGNITUDE) >> narrow, lowest), highest) - lowest
    sure = (units * factor <= margin) & (abs(x) <= limit)  # not if it is no number
    return (ONE + ((table + (bits >> SIGN) * count) << finer) + bucket) * np.uint32(sure)


@njit
def look_up(x, first_row, sides, gain, scale, table, units, limit, book, codes, room):
    """Codes (planes, all values) of the potentials x of some rows; which of all values are unsure goes into ``room``'s last.

    Rows are those of (R, A, M, D), ``sides`` being A, M and D, from ``first_row`` on. A potential is normalised by gain (R *
    A * M,), if that is not None, and scale (A, D), and rounded by at most ``units`` before; its table begins at ``table``
    (A, D) in units of buckets. Above ``limit`` it is unsure. ``book`` are the tables of a
    :class:`processes.codebook.Codebook`. Returns how many are unsure.
    """
    a_len, m_len, d_len = sides
    shift, first, count, at, ends, finer, quick, margin = book
    place, packed, few, eight, which = room
    width, n, begin = packed.dtype.type(8 * codes.itemsize), len(x), first_row * d_len
    narrow, lowest, highest = shift - finer, first << finer, ((first + count) << finer) - ONE
    known = units, np.float32(limit), narrow, lowest, highest, count, finer, margin
    if d_len > 1:
        for j in range(n // d_len):
            a = (first_row + j) // m_len % a_len
            row = np.float32(1) if gain is None else gain[first_row + j]
            origin = np.uint64(j * d_len)
            for d in range(d_len):
                i = origin + np.uint64(d)
                place[i] = _place(np.float32(x[i]), row * scale[a, d], table[a, d], known)
    else:  # a parameter is the same along M, where loops of one round take seven times as long
        j = 0
        while j < n:
            row = first_row + j
            a, many = row // m_len % a_len, min(n - j, m_len - row % m_len)
            for i in range(many):
                factor = scale[a, 0] if gain is None else gain[row + i] * scale[a, 0]
                place[j + i] = _place(np.float32(x[j + i]), factor, table[a, 0], known)
            j += many
    for i in range(n):
        packed[i] = quick[np.uint64(place[i])]
    for p in range(codes.shape[0]):
        out, by = codes[p, begin : begin + n], packed.dtype.type(p) * width
        if p < packed.itemsize // codes.itemsize:
            for i in range(n):
                out[i] = codes.dtype.type(packed[i] >> by)
        else:
            out[:] = 0  # what would have more spikes than a word has lanes is unsure
    lane, none = codes[0, begin : begin + n], codes.dtype.type(-(1 << (8 * codes.itemsize - 1)))
    for i in range(n):
        few[i] = lane[i] == none
    few[n:] = 0
    marked = found = 0
    for word in range((n + 7) // 8):
        if eight[word] != 0:  # most have none
            for i in range(8 * word, 8 * word + 8):
                if few[i] != 0:
                    which[marked] = i
                    marked += 1
    for u in range(marked):
        i = np.uint32(which[u])
        down = i // np.uint32(d_len)
        row, d = first_row + np.int64(down), np.int64(i - down * np.uint32(d_len))
        a = row // m_len % a_len if a_len > 1 else 0
        factor = scale[a, d] if gain is None else gain[row] * scale[a, d]
        own = units * factor if np.float32(abs(x[i])) <= limit else np.float32(np.inf)
        word, sure = _near(np.float32(x[i]) * factor, own, table[a, d], shift, first, count, at, ends)
        for p in range(min(codes.shape[0], ends.itemsize // codes.itemsize)):
            codes[p, begin + i] = codes.dtype.type(word >> (ends.dtype.type(p) * width))
        if not (sure and own <= margin):
            which[found] = begin + i
            found += 1
    return found


@njit
def _near(x, own, table, shift, first, count, at, ends):
    """The word of codes of x, whose bucket may hold an end, and whether it is sure if x is off by up to ``own``."""
    bits = np.float32(x).view(np.uint32)
    bucket = min(max((bits & MAGNITUDE) >> shift, first), first + count - ONE) - first
    place = np.int64(2) * np.int64(table + bucket + (bits >> SIGN) * count)
    above = x >= at[place + 1] + own
    return ends[place + above], above or x < at[place] - own
