"""Intervals of potentials in which a neuron fires the same code: a compiled loop, as a codebook asks for thousands."""

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit


@njit
def _between(low, high):
    """A number between two, either of which may be infinite."""
    if np.isinf(low):
        return 0.0 if np.isinf(high) else high - abs(high) - 1
    return low + abs(low) + 1 if np.isinf(high) else (low + high) / 2


@njit
def _fires(x, tables):
    """Code of the next spike of a neuron with potential x, by thresholds (above, below, lo, hi), (4, T); 0 for none."""
    for k in range(tables.shape[1]):
        if x >= tables[0, k] or x <= tables[1, k]:
            return k + 1
        if tables[2, k] <= x <= tables[3, k]:
            return -(k + 1)
    return 0


@njit(cache=True)
def pieces(low, high, tables):
    """Cut [low, high] at thresholds (4, T): ends (n + 1,) of the pieces, and the code fired in each, int64 (n,)."""
    flat = tables.copy().reshape(-1)
    inner = np.sort(flat[(flat > low) & (flat < high)])
    ends = np.empty(len(inner) + 2)
    ends[0], n = low, 1
    for threshold in inner:
        if threshold != ends[n - 1]:
            ends[n] = threshold
            n += 1
    ends[n] = high
    codes = np.empty(n, np.int64)
    for i in range(n):
        codes[i] = _fires(_between(ends[i], ends[i + 1]), tables)
    return ends[: n + 1], codes
