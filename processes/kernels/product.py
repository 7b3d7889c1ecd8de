"""Compiled loops of trace-driven products: sums of squares, and stepped sums of pairs of rows that may saturate."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes import thresholds  # noqa: F401  lets compiled code call shift_toward_zero
from processes.fixed import shift_toward_zero
from processes.kernels.compiled import njit
from processes.kernels.decode import value
from processes.kernels.rules import whole_part

TOGETHER = 64  # rows of one worker


@njit
def _clipped(arriving, limit):
    """(potential, clips) after the sum that arrives at each step, (T,), is added to the potential and that clipped."""
    v = clips = np.int64(0)
    for k in range(len(arriving)):
        v += arriving[k]
        if v > limit or v < -limit:
            clips += 1
            v = limit if v > 0 else -limit
    return v, clips


@njit(parallel=True, cache=True)
def step_pairs(a, b, unsure, bias, table_a, table_b, steps, delay, limit, y, clips):
    """Write potentials y and numbers of clips, (G, rows, columns), of the pairs of rows of a and b that are ``unsure``.

    a (planes, G, rows, D) and b (planes, G, columns, D) are codes, whose values table_a and table_b hold
    (:func:`processes.kernels.decode.decode_table`); b's window begins ``delay`` steps after a's, both have ``steps``
    steps. The potential is clipped to +-limit at every step. Bias (G or fewer, rows, columns) repeats along G.
    """
    rows, columns, features = a.shape[2], b.shape[2], a.shape[3]
    first = max(0, delay)
    for place in prange(a.shape[1] * rows):
        g, i = place // rows, place % rows
        arriving = np.zeros(max(steps, steps + delay) - first, np.int64)
        for j in range(columns):
            if not unsure[g, i, j]:
                continue
            arriving[:] = 0
            for d in range(features):
                for p in range(len(a)):
                    x = np.int64(a[p, g, i, d])
                    if x == 0:
                        continue
                    for q in range(len(b)):
                        z = np.int64(b[q, g, j, d])
                        if z != 0:  # the pair's product arrives with the later of its two spikes
                            k = max(abs(x) - 1, abs(z) - 1 + delay) - first
                            arriving[k] += value(table_a, x) * value(table_b, z)
            arriving[0] += bias[g % len(bias), i, j]
            y[g, i, j], clips[g, i, j] = _clipped(arriving, limit)


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def square_sum(codes, table, weight, out):
    """Write out (R,), float, = sum over D of weight_d x_d^2, x being the values of codes (planes, R, D)."""
    for r in prange(codes.shape[1]):
        total = table.dtype.type(0)
        for d in range(codes.shape[2]):
            held = value(table, codes[0, r, d])
            for p in range(1, codes.shape[0]):
                held += value(table, codes[p, r, d])
            total += weight[d] * held * held
        out[r] = total


@njit(parallel=True, cache=True)
def square_sum_shifted(codes, table, steps, shift, fraction, limit, out, clips):
    """Write out (R,), the saturating integer sums of squares of the values of codes (planes, R, D), and clips (R,).

    A spike p of a neuron that has sent r adds (2 r p + p^2) >> shift_d, toward zero, to a sum with ``fraction`` bits
    after the point; out is its whole part, clipped to +-limit at every step. Only rows that may clip are stepped.
    """
    planes, rows, d_len = codes.shape
    for part in prange((rows + TOGETHER - 1) // TOGETHER):
        held, level = np.empty(d_len, np.int64), np.empty(d_len, np.int64)
        for r in range(part * TOGETHER, min(rows, (part + 1) * TOGETHER)):
            total = reach = np.int64(0)
            held[:] = 0
            for p in range(planes):
                row = codes[p, r]
                for d in range(d_len):
                    level[d] = value(table, row[d])
                for d in range(d_len):
                    share = shift_toward_zero(level[d] * (level[d] + 2 * held[d]), shift[d])
                    total += share
                    reach += abs(share)
                    held[d] += level[d]
            out[r], clips[r] = total >> fraction, 0
            if reach >> fraction >= limit:
                out[r], clips[r] = _step_squares(codes[:, r], table, steps, shift, fraction, limit)


@njit
def _step_squares(codes, table, steps, shift, fraction, limit):
    """(potential, clips) of one row's sum of shifted squares, codes (planes, D), step by step."""
    arriving = np.zeros(steps, np.int64)
    for d in range(codes.shape[1]):
        held = np.int64(0)
        for p in range(codes.shape[0]):
            code = np.int64(codes[p, d])
            if code != 0:
                level = value(table, code)
                arriving[abs(code) - 1] += shift_toward_zero(level * (level + 2 * held), shift[d])
                held += level
    rest = np.int64(0)
    for k in range(steps):
        arriving[k], rest = whole_part(arriving[k], rest, fraction, limit)
    return _clipped(arriving, limit)
