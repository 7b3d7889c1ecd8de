"""Codes by lookup: two loads and a comparison per spike, without branches, which nobody could predict.

Loops that load from tables stay apart from those that only calculate: compilers make wide operations of the latter.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import njit, prange

from processes.kernels.decode import value


@njit
def _code(x, first, shift, at, ends):
    """Code of x, float32, by the table whose buckets begin at ``first``: one code below ``at``, one from there on."""
    bucket = np.uint64(np.float32(x).view(np.uint32) >> shift) + first
    return ends[np.uint64(2) * bucket + np.uint64(x >= at[bucket])]


@njit(parallel=True, cache=True)
def first_spikes(v, factor, gain, first, shift, at, ends, codes):
    """First plane of codes (planes, R, A, M, D) of potentials v, of any type, that factor (A, D) and gain normalise.

    ``gain`` is (R, A, M) or None; ``first`` (A, D) says where a neuron's table begins in ``at`` (and in ``ends``, twice as
    long). See :mod:`processes.codebook`.
    """
    _, a_len, m_len, d_len = v.shape
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        scale, table = factor[a], first[a]
        for m in range(m_len):
            x, out = v[r, a, m], codes[0, r, a, m]
            row = np.float32(1) if gain is None else gain[r, a, m]
            for d in range(d_len):
                out[d] = _code(np.float32(x[d]) * row * scale[d], table[d], shift, at, ends)


@njit(parallel=True, cache=True)
def further_spikes(v, factor, gain, shift, at, ends, level, steps, codes):
    """Planes 1 on of codes, from those before: each spike takes its value in ``level`` off the normalised potential.

    ``level`` is a table of :func:`processes.kernels.decode.decode_table`. What is left is looked up anew and sent after
    the spike before.
    """
    _, a_len, m_len, d_len = v.shape
    for place in prange(v.shape[0] * a_len):
        r, a = place // a_len, place % a_len
        scale, left = factor[a], np.empty(d_len, np.float32)
        for m in range(m_len):
            x = v[r, a, m]
            row = np.float32(1) if gain is None else gain[r, a, m]
            for d in range(d_len):
                left[d] = np.float32(x[d]) * row * scale[d]
            for p in range(1, codes.shape[0]):
                before, out = codes[p - 1, r, a, m], codes[p, r, a, m]
                for d in range(d_len):
                    left[d] -= value(level, before[d])
                for d in range(d_len):
                    out[d] = _code(left[d], np.uint64(0), shift, at, ends)
                for d in range(d_len):
                    code, sent = np.int32(out[d]), np.int32(before[d])
                    later = max(abs(code), abs(sent) + 1)
                    sign = np.int32(code > 0) - np.int32(code < 0)
                    out[d] = sign * later * np.int32((later <= steps) & (sent != 0))
