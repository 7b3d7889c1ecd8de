"""Compiled loops of the closed forms: when does each neuron fire, and what do its spikes decode to.

All kernels see arrays as (rows, A, M, D): parameters vary along A and D and repeat along the rest, so that one
loop serves token features (A = M = 1 or A = 1), image channels (D = 1) and attention heads (A = heads).
Thresholds fall with k, so the first step that fires is found by bisection on the exact comparison.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def fire(v, pos, lo, hi, subtract, spread, codes):  # noqa: ANN001, ANN201 - typed by numba
    """Codes of potentials ``v`` (R, A, M, D): + at the first k with v >= pos_k, - with lo_k <= v <= hi_k.

    Tables are (A * D or 1, T); ``spread`` is 1 if they vary per neuron and 0 if shared. After a spike of sign z at
    k the neuron subtracts z * subtract_k and goes on from k+1, once for every plane of codes (planes, R, A, M, D).
    """
    planes = codes.shape[0]
    _, a_len, m_len, d_len = v.shape
    steps = pos.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            for d in range(d_len):
                c = (a * d_len + d) * spread
                x = v[row, a, m, d]
                first = 0
                for p in range(planes):
                    last = steps - 1
                    if first > last or not (x >= pos[c, last] or (lo[c, last] <= x <= hi[c, last])):
                        for q in range(p, planes):
                            codes[q, row, a, m, d] = 0
                        break
                    k = first
                    while k < last:
                        middle = (k + last) >> 1
                        if x >= pos[c, middle] or (lo[c, middle] <= x <= hi[c, middle]):
                            last = middle
                        else:
                            k = middle + 1
                    if x >= pos[c, k]:
                        codes[p, row, a, m, d] = k + 1
                        x -= subtract[c, k]
                    else:
                        codes[p, row, a, m, d] = -(k + 1)
                        x += subtract[c, k]
                    first = k + 1


@njit(parallel=True, cache=True)
def fire_scaled(v, squared, table, shift, factor, spread, codes):  # noqa: ANN001, ANN201
    """Codes of ``v`` (R, A, M, D) against a moving threshold: first k with drive >= table_k * factor.

    drive is |v|, or v^2 if ``squared``. ``factor`` is (R, A, M). Integers compare with (table_k * factor) >> shift,
    written as table_k * factor <= ((drive + 1) << shift) - 1; ``shift`` is None for floats. v = 0 and factor = 0
    never fire.
    """
    _, a_len, m_len, d_len = v.shape
    steps = table.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            f = factor[row, a, m]
            for d in range(d_len):
                c = (a * d_len + d) * spread
                x = v[row, a, m, d]
                drive = x * x if squared else abs(x)
                if shift is not None:
                    drive = ((drive + 1) << shift[c]) - 1
                last = steps - 1
                if x == 0 or f <= 0 or table[c, last] * f > drive:
                    codes[row, a, m, d] = 0
                    continue
                k = 0
                while k < last:
                    middle = (k + last) >> 1
                    if table[c, middle] * f <= drive:
                        last = middle
                    else:
                        k = middle + 1
                codes[row, a, m, d] = k + 1 if x > 0 else -(k + 1)


@njit(parallel=True, cache=True)
def fire_ramp(v, ramp, spread, allowed, codes):  # noqa: ANN001, ANN201
    """Codes of rows ``v`` (R, A, M, D): first k with max_d v - v <= ramp_k, ramp (A or 1, T).

    ``allowed`` (R or 1, A or 1, M or 1, D) is False where a key is masked: it neither races nor fires.
    """
    _, a_len, m_len, d_len = v.shape
    steps = ramp.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        c = a * spread
        for m in range(m_len):
            allow = allowed[row % allowed.shape[0], a % allowed.shape[1], m % allowed.shape[2]]
            found = False
            winner = v[row, a, m, 0]
            for d in range(d_len):
                if allow[d] and (not found or v[row, a, m, d] > winner):
                    winner = v[row, a, m, d]
                    found = True
            for d in range(d_len):
                gap = winner - v[row, a, m, d]
                last = steps - 1
                if not allow[d] or gap > ramp[c, last]:
                    codes[row, a, m, d] = 0
                    continue
                k = 0
                while k < last:
                    middle = (k + last) >> 1
                    if gap <= ramp[c, middle]:
                        last = middle
                    else:
                        k = middle + 1
                codes[row, a, m, d] = k + 1


@njit(parallel=True, cache=True)
def decode(codes, table, out):  # noqa: ANN001, ANN201
    """out (n,) = sum over planes of table[code + T], codes (planes, n), table (2T + 1,)."""
    middle = table.shape[0] // 2
    n = codes.shape[1]
    block = 4096
    for b in prange((n + block - 1) // block):
        stop = min(n, (b + 1) * block)
        for i in range(b * block, stop):
            out[i] = table[codes[0, i] + middle]
        for p in range(1, codes.shape[0]):
            for i in range(b * block, stop):
                out[i] += table[codes[p, i] + middle]


def decode_table(trace: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Value of every code: (2T + 1,), entry code + T."""
    return np.concatenate([-trace[::-1], [0], trace]).astype(dtype)
