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
    """A potential as its state holds it."""
    if limit is None:
        return x
    return min(max(x, -limit), limit)


@njit(cache=True)
def integrate(v, message, message_limit, limit):
    """Add a message, held within ``message_limit``, to potentials v, both (n,); returns how many of these were clipped."""
    clips = 0
    for i in range(len(v)):
        x = v[i] + clipped(message[i], message_limit)
        y = clipped(x, limit)
        clips += x != y
        v[i] = y
    return clips


@njit(cache=True)
def add_row(row, weights, sign):
    """Add to row (O,) the weights (O,) of a neuron that has sent a spike."""
    if sign > 0:
        for o in range(len(row)):
            row[o] += weights[o]
    else:
        for o in range(len(row)):
            row[o] -= weights[o]


@njit(cache=True)
def second_arrives(places, values, high, wide, transpose, trace, held_a, held_b, meets, out):
    """Spikes of a product's second operand (L, high, wide), at ascending places: they meet what ``held_a`` (L, F, N) holds in
    out (L, N, M), if anything is held (``meets``), and raise ``held_b`` (L, F, M)."""
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
    """The same of the first operand (L, N, F), which meets ``held_b`` and raises ``held_a``."""
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
    """(what a sum of squares sends of ``total`` and the ``rest`` kept from before, what it keeps for later steps).

    In integers, sums have ``fraction`` bits after the point, which stay: what has been sent is the sum so far, rounded down.
    """
    if limit is None:
        return total, rest
    total = total + rest
    return total >> fraction, total - (total >> fraction << fraction)


@njit(cache=True)
def share_of_square(value, before, weight, limit):
    """What a spike of ``value`` adds to the square of ``before``, times a weight, which in integers shifts right."""
    share = value * (value + 2 * before)
    if limit is None:
        return share * weight
    return _shift(share, weight)


@njit(cache=True)
def first_sign(x, up, bottom, top):
    """A first spike as int8: + where x >= up, else - where bottom <= x <= top, else 0."""
    plus = np.int8(x >= up)
    minus = np.int8(x >= bottom) & np.int8(x <= top)
    return plus - (minus & (plus ^ 1))


@njit(cache=True)
def reached(x, entry, factor, shift, a, d):
    """Whether a magnitude reaches entry * factor, shifted right by shift (A, D) if it is not None."""
    threshold = entry * factor
    if shift is not None:
        threshold >>= shift[a, d]
    return np.int8(x >= threshold)
