"""Codes of all spikes by a logarithm or by lookup: one load, without branches, which nobody could predict; for a few two more.

Loops that load from tables stay apart from those that only calculate: compilers make wide operations of the latter.
Several rows are gone through together, so that beginning a loop does not cost more than its rounds.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit
from processes.kernels.progression import as_numbers, first_spike

SIGN, MAGNITUDE = np.uint32(31), np.uint32(0x7FFFFFFF)
ONE = np.uint32(1)
MANY = 512  # codes of which it is asked together whether one is unsure
BYTES, PAIRS = np.uint64(0x0101010101010101), np.uint64(0x0001000100010001)
TOGETHER = 4096  # values
SHARE = 4  # times that one worker does so in the same room


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
def unknown(codes):
    """What stands for a code that is unsure, int32: the most negative number of the codes' type."""
    return np.int32(-(1 << (8 * codes.itemsize - 1)))


@njit
def room(size, book):
    """Arrays for ``size`` values that :func:`look_up` works in with a book."""
    begins, place = np.empty(size, np.uint32), np.empty(size, np.uint32)
    return np.empty(size, np.float32), begins, place, np.empty(size, book[6].dtype), np.empty(size, np.int64)


@njit
def _spread(first_row, sides, parameter, gain, out):
    """Write a parameter (A, D), times gain (rows,) if that is not None, for values (n,) of the rows from ``first_row`` on."""
    a_len, m_len, d_len = sides
    if d_len > 1:
        a, m = first_row // m_len % a_len, first_row % m_len  # counted on, as divisions take as long as short rows
        for j in range(len(out) // d_len):
            own, here = parameter[a], out[j * d_len : (j + 1) * d_len]
            if gain is None:
                for d in range(d_len):
                    here[d] = own[d]
            else:
                for d in range(d_len):
                    here[d] = own[d] * gain[j]
            m += 1
            if m == m_len:
                a, m = (a + 1) % a_len, 0
    else:  # a parameter is the same along M
        j = 0
        while j < len(out):
            row = first_row + j
            many = min(len(out) - j, m_len - row % m_len)
            out[j : j + many] = parameter[row // m_len % a_len, 0]
            if gain is not None:
                out[j : j + many] *= gain[j : j + many]
            j += many


@njit(inline="always")
def _place(x, factor, table, known):
    """Where the codes of a potential stand among quick ones, 0 if it is unsure."""
    units, limit, narrow, lowest, highest, count, finer, margin = known
    bits = np.float32(x * factor).view(np.uint32)
    bucket = min(max((bits & MAGNITUDE) >> narrow, lowest), highest) - lowest
    sure = (units * factor <= margin) & (abs(x) <= limit)  # not if it is no number
    return (ONE + ((table + (bits >> SIGN) * count) << finer) + bucket) * np.uint32(sure)


@njit
def _by_table(x, limit, units, book, codes, begin, room):
    """Write codes from ``begin`` on of quick buckets, those that are unsure as the most negative number."""
    shift, first, count, _, _, finer, quick, margin, _ = book
    factors, begins, place, packed, _ = room
    narrow, lowest, highest = shift - finer, first << finer, ((first + count) << finer) - ONE
    known = units, limit, narrow, lowest, highest, count, finer, margin
    for i in range(len(x)):
        place[i] = _place(np.float32(x[i]), factors[i], begins[i], known)
    for i in range(len(x)):
        packed[i] = quick[np.uint64(place[i])]
    for p in range(codes.shape[0]):
        out, by = codes[p, begin : begin + len(x)], packed.dtype.type(8 * codes.itemsize * p)
        if p < packed.itemsize // codes.itemsize:
            for i in range(len(x)):
                out[i] = codes.dtype.type(packed[i] >> by)
        else:
            out[:] = 0  # what would have more spikes than a word has lanes is unsure


@njit
def _unknown_ones(codes, which):
    """Write the indices of codes (n,) that are unsure, ascending, and return how many there are."""
    none, marked, n = codes.dtype.type(unknown(codes)), 0, len(codes)
    each = 8 // codes.itemsize
    words = codes[: n // each * each].view(np.uint64)
    lowest = BYTES if codes.itemsize == 1 else PAIRS  # the last bit of every code in a word
    highest = lowest << np.uint64(8 * codes.itemsize - 1)
    for begin in range(0, n, MANY):
        end, any_unsure = min(n, begin + MANY), False
        for i in range(begin, end):  # compilers compare many at once
            any_unsure |= codes[np.uint64(i)] == none
        if any_unsure:
            for word in range(begin // each, end // each):
                rest = words[np.uint64(word)] ^ highest  # has a code of zero where one is unsure
                if (rest - lowest) & ~rest & highest != 0:
                    marked = _mark(codes, word * each, (word + 1) * each, none, which, marked)
    return _mark(codes, len(words) * each, n, none, which, marked)


@njit(inline="always")
def _mark(codes, first, last, none, which, marked):
    """Write which of some codes are ``none`` from ``marked`` on, and return where the next one goes."""
    for i in range(first, last):
        which[marked] = i  # the next one takes its place unless this is unsure: no branch to be predicted
        marked += codes[np.uint64(i)] == none
    return marked


@njit(fastmath={"contract"})
def _by_logarithm(x, limit, units, book, factors, out):
    """Write codes out (n,) by a progression, those that are unsure as the most negative number."""
    progression, number, none = as_numbers(book[8]), out.dtype.type, unknown(out)
    known = units, limit, book[7]
    if units == 0 and limit == np.inf:
        for i in range(len(x)):
            out[i] = number(first_spike(np.float32(x[i]), factors[i], progression, None, none))
    else:
        for i in range(len(x)):
            out[i] = number(first_spike(np.float32(x[i]), factors[i], progression, known, none))


@njit
def look_up(x, first_row, sides, gain, scale, table, units, limit, book, codes, room):
    """Codes (planes, all values) of the potentials x of some rows; which of all values are unsure goes into ``room``'s last.

    Rows are those of (R, A, M, D), ``sides`` being A, M and D, from ``first_row`` on. A potential is normalised by gain
    (rows,), if that is not None, and scale (A, D), and rounded by at most ``units`` before; its table begins at ``table``
    (A, D) in units of buckets. Above ``limit`` it is unsure. ``book`` are the tables of a
    :class:`processes.codebook.Codebook`. Returns how many are unsure.
    """
    shift, first, count, at, ends, _, _, margin, progression = book
    factors, begins, _, _, which = room
    n, begin, limit = len(x), first_row * sides[2], np.float32(limit)
    lane = codes[0, begin : begin + n]
    _spread(first_row, sides, scale, gain, factors[:n])
    if progression[0] > 0:
        _by_logarithm(x, limit, units, book, factors, lane)
    else:
        _spread(first_row, sides, table, None, begins[:n])
        _by_table(x, limit, units, book, codes, begin, room)
    marked, found = _unknown_ones(lane, which), 0
    for u in range(marked):
        i = which[u]
        own = units * factors[i] if np.float32(abs(x[i])) <= limit else np.float32(np.inf)
        begin_i = np.uint32(0) if progression[0] > 0 else begins[i]
        word, sure = _near(np.float32(x[i]) * factors[i], own, begin_i, shift, first, count, at, ends)
        for p in range(min(codes.shape[0], ends.itemsize // codes.itemsize)):
            codes[p, begin + i] = codes.dtype.type(word >> ends.dtype.type(8 * codes.itemsize * p))
        which[found] = begin + i  # the next one takes its place if this is sure
        found += not (sure & (own <= margin))
    return found


@njit
def _near(x, own, table, shift, first, count, at, ends):
    """The word of codes of x, whose bucket may hold an end, and whether it is sure if x is off by up to ``own``."""
    bits = np.float32(x).view(np.uint32)
    bucket = min(max((bits & MAGNITUDE) >> shift, first), first + count - ONE) - first
    place = np.int64(2) * np.int64(table + bucket + (bits >> SIGN) * count)
    below, above = x < at[place] - own, x >= at[place + 1] + own
    return ends[place + 1] if above else ends[place], above | below
