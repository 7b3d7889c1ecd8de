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


@njit(parallel=True, cache=True)
def add_scaled(total, v, scale):
    """total (R, A, M, D), float64, += the integer part of v * scale (A, D)."""
    _, a_len, m_len, d_len = v.shape
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        factor = scale[a]
        for m in range(m_len):
            x, out = v[r, a, m], total[r, a, m]
            for d in range(d_len):
                out[d] += np.trunc(np.float64(x[d]) * factor[d])


@njit(parallel=True, cache=True)
def clip(total, limit, out):
    """out (R, D) int32 = total (R, D) clipped to +-limit; returns how many were beyond."""
    beyond = 0
    for r in prange(len(total)):
        x, y = total[r], out[r]
        for d in range(len(x)):
            y[d] = np.int32(min(max(x[d], -limit), limit))
            beyond += np.int64(abs(x[d]) > limit)
    return beyond


@njit(parallel=True, cache=True)
def centre(v, limit, out):
    """out (R, D) int32 = v - sum(v) / D toward zero, clipped to +-limit; returns how many were beyond."""
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
