"""Compiled loop of weight rounding: each weight moves to the integer that is best for its row while all others stay."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit


@njit(parallel=True, cache=True)
def descend(rounded, pull, covariance, limit, sweeps):
    """Coordinate descent of integers rounded (out, n) within +-limit, in place.

    pull (out, n) is what is missing from each row times the covariance (n, n), and follows in place.
    """
    n = len(covariance)
    for r in prange(len(rounded)):
        row, missing = rounded[r], pull[r]
        for _ in range(sweeps):
            for j in range(n):
                best = np.rint(row[j] + missing[j] / covariance[j, j])
                moved = min(max(best, -limit), limit) - row[j]
                if moved != 0:
                    row[j] += moved
                    for k in range(n):
                        missing[k] -= moved * covariance[j, k]
