"""Codes of all spikes by lookup: two loads and two comparisons, without branches, which nobody could predict.

Loops that load from tables stay apart from those that only calculate: compilers make wide operations of the latter.
Several rows are gone through together, so that beginning a loop does not cost more than its rounds.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit

SIGN, MAGNITUDE = np.uint32(31), np.uint32(0x7FFFFFFF)
TWO = np.uint32(2)
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
def room(size, packed):
    """Arrays for ``size`` values that :func:`look_up` works in, some twice, for numbers that are bits too."""
    x32, near, unsure = (
        np.empty(size, np.float32),
        np.empty(2 * size, np.float32),
        np.empty((size + 7) // 8 * 8, np.uint8),
    )
    place, own, which = np.empty(size, np.uint32), np.empty(size, np.float32), np.empty(size, np.int64)
    twice = (x32, x32.view(np.uint32), near, near.view(np.uint64), unsure, unsure.view(np.uint64))
    return (*twice, place, own, np.empty(size, packed), which)


@njit
def look_up(x, first_row, sides, gain, scale, table, units, limit, book, codes, room):
    """Codes (planes, all values) of the potentials x of some rows; which of all values are unsure goes into ``room``'s last.

    Rows are those of (R, A, M, D), ``sides`` being A, M and D, from ``first_row`` on. A potential is normalised by gain (R *
    A * M,), if that is not None, and scale (A, D), and rounded by at most ``units`` before; its table begins at ``table``
    (A, D) in units of buckets. Above ``limit`` it is unsure. ``book`` are the tables of a
    :class:`processes.codebook.Codebook`. Returns how many are unsure.
    """
    a_len, m_len, d_len = sides
    shift, first, count, at, ends, margin = book
    x32, bits, near, near_pair, unsure, eight, place, own, packed, which = room
    last, width, n = first + count - np.uint32(1), packed.dtype.type(8 * codes.itemsize), len(x)
    begin = first_row * d_len
    for j in range(n // d_len):
        a = (first_row + j) // m_len % a_len
        row = np.float32(1) if gain is None else gain[first_row + j]
        origin = np.uint64(j * d_len)
        for d in range(d_len):
            i = origin + np.uint64(d)
            x32[i] = np.float32(x[i]) * row * scale[a, d]
            own[i] = units * row * scale[a, d] if np.float32(abs(x[i])) <= limit else np.float32(np.inf)
            place[i] = table[a, d]
    for i in range(n):
        bucket = min(max((bits[i] & MAGNITUDE) >> shift, first), last) - first
        place[i] += bucket + (bits[i] >> SIGN) * count
    for i in range(n):
        near_pair[i] = at[np.uint64(place[i])]
    for i in range(n):
        above = x32[i] >= near[2 * i + 1] + own[i]
        sure = (above | (x32[i] < near[2 * i] - own[i])) & (own[i] <= margin)
        unsure[i] = np.uint8(1) - np.uint8(sure)
        place[i] = TWO * place[i] + np.uint32(above)
    for i in range(n):
        packed[i] = ends[np.uint64(place[i])]
    for p in range(codes.shape[0]):
        out, by = codes[p, begin : begin + n], packed.dtype.type(p) * width
        if p < 8 * packed.itemsize // width:
            for i in range(n):
                out[i] = codes.dtype.type(packed[i] >> by)
        else:
            out[:] = 0  # what would have more spikes than a word has lanes is unsure
    unsure[n:] = 0
    found = 0
    for word in range((n + 7) // 8):
        if eight[word] != 0:  # most have none
            for i in range(8 * word, 8 * word + 8):
                if unsure[i] != 0:
                    which[found] = begin + i
                    found += 1
    return found
