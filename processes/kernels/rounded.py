"""Compiled loops of weight rounding: errors handed on to the weights that are free, and the best integer given all others."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit


@njit(parallel=True, cache=True)
def compensate(free, rounded, errors, factor, limit):
    """Round a block of weights (out, n), one after the other, within +-limit; the errors of each move those after it.

    free (out, n) follows in place; rounded and errors (out, n) are filled, these in units of factor's diagonal (n, n).
    """
    n = len(factor)
    for r in prange(len(free)):
        row = free[r].copy()  # contiguous, which a block of columns is not
        for j in range(n):
            whole = min(max(np.rint(row[j]), -limit), limit)
            error = (row[j] - whole) / factor[j, j]
            for k in range(j + 1, n):
                row[k] -= error * factor[j, k]
            rounded[r, j], errors[r, j] = whole, error
        free[r] = row


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
