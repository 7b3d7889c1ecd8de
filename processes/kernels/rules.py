"""What one spike adds and whether one neuron fires: each formula of the steppers, once.

``processes.kernels.stepped`` has the loops of one step and ``processes.kernels.windows`` those of all steps of a window; both
call these. ``limit`` is the largest potential that a state width holds, None in floating point.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.fixed import shift_toward_zero
from processes.kernels.compiled import njit

_shift = njit(inline="always")(shift_toward_zero)


@njit(cache=True)
def clipped(x, limit):
    """Potential x clipped to +-limit; x itself without a limit."""
    if limit is None:
        return x
    return min(max(x, -limit), limit)


@njit(cache=True)
def integrate(v, message, message_limit, limit):
    """Add a message, clipped to +-message_limit, to potentials v, both (n,), and clip these; returns the clips of v."""
    clips = 0
    for i in range(len(v)):
        x = v[i] + clipped(message[i], message_limit)
        y = clipped(x, limit)
        clips += x != y
        v[i] = y
    return clips


@njit(cache=True)
def add_row(row, weights, sign):
    """Add to row (O,) the weights (O,) of a neuron that has sent a spike of this sign."""
    if sign > 0:
        for o in range(len(row)):
            row[o] += weights[o]
    else:
        for o in range(len(row)):
            row[o] -= weights[o]


@njit(cache=True)
def second_arrives(places, values, high, wide, transpose, trace, held_a, held_b, meets, out):
    """Add to out (L, N, M) the products of the second operand's spikes with the first's held traces, and raise its own.

    Spikes are at ascending flat ``places`` of (L, high, wide), which is (L, M, F) if ``transpose``, else (L, F, M).
    Each is worth its sign in ``values`` times the global ``trace``; it reads ``held_a`` (L, F, N), if anything is held
    (``meets``), and raises ``held_b`` (L, F, M).
    """
    n, i, end = 0, 0, wide
    rows = out.shape[1]
    for e in range(len(places)):
        while places[e] >= end:
            end, i = end + wide, i + 1
            if i == high:
                n, i = n + 1, 0
        j = places[e] - (end - wide)
        m, f = (i, j) if transpose else (j, i)
        value = values[e] * trace
        if meets:
            for o in range(rows):
                out[n, o, m] += held_a[n, f, o] * value
        held_b[n, f, m] += value


@njit(cache=True)
def first_arrives(places, values, high, wide, trace, held_a, held_b, meets, out):
    """Add to out (L, N, M) the products of the first operand's spikes with the second's held traces, and raise its own.

    Spikes are at ascending flat ``places`` of (L, high, wide) = (L, N, F); all else is as in :func:`second_arrives`,
    with ``held_b`` read and ``held_a`` raised.
    """
    n, i, end = 0, 0, wide
    columns = out.shape[2]
    for e in range(len(places)):
        while places[e] >= end:
            end, i = end + wide, i + 1
            if i == high:
                n, i = n + 1, 0
        f = places[e] - (end - wide)
        value = values[e] * trace
        if meets:
            for m in range(columns):
                out[n, i, m] += held_b[n, f, m] * value
        held_a[n, f, i] += value


@njit(cache=True)
def whole_part(total, rest, fraction, limit):
    """(sent, kept) of a sum of squares at a step: what it sends of ``total`` + ``rest``, and the new rest.

    In integers, sums have ``fraction`` bits after the point, which are kept: all that has been sent is the sum so far,
    rounded down. In floating point everything is sent.
    """
    if limit is None:
        return total, rest
    total = total + rest
    return total >> fraction, total - (total >> fraction << fraction)


@njit(cache=True)
def share_of_square(value, before, weight, limit):
    """What a spike of ``value`` adds to the square of a trace ``before``, times weight; integers are >> weight."""
    share = value * (value + 2 * before)
    if limit is None:
        return share * weight
    return _shift(share, weight)


@njit(cache=True)
def first_sign(x, up, bottom, top):
    """Sign of a first spike, int8: + where x >= up, else - where bottom <= x <= top, else 0."""
    plus = np.int8(x >= up)
    minus = np.int8(x >= bottom) & np.int8(x <= top)
    return plus - (minus & (plus ^ 1))


@njit(cache=True)
def reached(x, entry, factor, shift, a, d):
    """Whether magnitude x reaches the threshold entry * factor, in integers shifted right by shift[a, d]; int8."""
    threshold = entry * factor
    if shift is not None:
        threshold >>= shift[a, d]
    return np.int8(x >= threshold)
