"""Compiled loops of the residual stream in fixed point: one pass over the potentials each.

A potential times a mantissa is an integer below 2^53, exact in float64 also times a power of two, and cutting its fraction off
is the shift toward zero.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit

TOGETHER = 4096  # values of one worker


@njit
def _spread(values, out):
    """Copies values (D or 1,) to out (D,)."""
    if len(values) == 1:
        out[:] = values[0]
    else:
        out[:] = values


@njit
def _add(v, real, factor, total):
    """total += the integer parts of v * factor, all (D,); v is int32, which holds the bits of float32 if ``real``."""
    if real:
        for d in range(len(v)):
            total[d] += np.trunc(np.float64(np.int32(v[d]).view(np.float32)) * factor[d])
    else:
        for d in range(len(v)):
            total[d] += np.trunc(np.float64(v[d]) * factor[d])


@njit(parallel=True, cache=True)
def add_up(operands, real, factors, bias, repeat, limit, out):
    """Write out (rows, D) int32 = bias (A, D or 1) + the integer parts of operands * factors, clipped to +-limit.

    operands are int32 of out's shape, which hold the bits of float32 where ``real`` (operands,) says so; factors
    (operands, A, D or 1) and bias are the same for ``repeat`` rows, then the next along A. Returns how many sums were
    beyond the limit.
    """
    rows, d_len = out.shape
    together = max(1, TOGETHER // d_len)
    beyond = 0
    for part in prange((rows + together - 1) // together):
        total, same = np.empty(d_len), np.empty(d_len)
        for row in range(part * together, min(rows, (part + 1) * together)):
            a, y = row // repeat % factors.shape[1], out[row]
            _spread(bias[a], total)
            for i in range(len(operands)):
                if factors.shape[2] == d_len:
                    _add(operands[i][row], real[i], factors[i, a], total)
                else:
                    _spread(factors[i, a], same)
                    _add(operands[i][row], real[i], same, total)
            for d in range(d_len):
                y[d] = np.int32(min(max(total[d], -limit), limit))
                beyond += np.int64(abs(total[d]) > limit)
    return beyond


@njit(parallel=True, cache=True)
def centre(v, limit, out):
    """Write out (R, D) int32 = v minus its row's mean, cut toward zero, clipped to +-limit; returns the clips."""
    beyond = 0
    for r in prange(len(v)):
        x, y = v[r], out[r]
        total = np.int64(0)
        for d in range(len(x)):
            total += np.int64(x[d])
        mean = abs(total) // len(x)
        mean = mean if total > 0 else -mean
        for d in range(len(x)):
            c = np.int64(x[d]) - mean
            y[d] = np.int32(min(max(c, -limit), limit))
            beyond += np.int64(abs(c) > limit)
    return beyond
