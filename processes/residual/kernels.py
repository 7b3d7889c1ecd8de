"""Compiled loop of the residual stream in fixed point."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import njit, prange

from processes.fixed import shift_toward_zero

_shift = njit(inline="always")(shift_toward_zero)


@njit(parallel=True, cache=True)
def add_shifted(total, v, shift):
    """total (R, A, M, D) += v shifted right toward zero by shift (A, D), in 64 bits."""
    _, a_len, m_len, d_len = v.shape
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        bits = shift[a]
        for m in range(m_len):
            x, out = v[r, a, m], total[r, a, m]
            for d in range(d_len):
                out[d] += _shift(np.int64(x[d]), bits[d])
