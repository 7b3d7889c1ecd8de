"""Compiled loops of trace-driven products: sums of squares, and the pairs of rows whose potential may saturate."""

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
    """(potential, clips) after what arrives at each step is added and clipped to +-limit."""
    v = clips = np.int64(0)
    for k in range(len(arriving)):
        v += arriving[k]
        if v > limit or v < -limit:
            clips += 1
            v = limit if v > 0 else -limit
    return v, clips


@njit(parallel=True, cache=True)
def step_pairs(a, b, unsure, bias, table_a, table_b, steps, delay, limit, y, clips):
    """Potentials y (G, rows, columns) and clips of the pairs that are ``unsure`` (G, rows, columns).

    a (planes, G, rows, D) and b (planes, G, columns, D) are codes, values of which are in decode tables; b's window
    begins ``delay`` steps after a's. Bias (G or fewer, rows, columns), repeated along G.
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
                        if z != 0:  # together from the later of the two spikes on
                            k = max(abs(x) - 1, abs(z) - 1 + delay) - first
                            arriving[k] += value(table_a, x) * value(table_b, z)
            arriving[0] += bias[g % len(bias), i, j]
            y[g, i, j], clips[g, i, j] = _clipped(arriving, limit)


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def square_sum(codes, table, weight, out):
    """out (R,) = sum over D of weight_d (sum over planes of the table's values)^2, codes (planes, R, D), float."""
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
    """The same in integers, each spike's share (2 r p + p^2) shifted right before it is added to a sum with ``fraction`` bits
    after the point, of which out is the whole part, clipped at every step."""
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
    """(potential, clips) of one row, codes (planes, D), step by step."""
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
