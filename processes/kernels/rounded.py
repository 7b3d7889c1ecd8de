"""Compiled loops of weight rounding: errors passed on to weights not yet rounded, and coordinate descent."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit


@njit(parallel=True, cache=True)
def compensate(free, rounded, errors, factor, limit):
    """Round a block of weights (out, n) column by column, as GPTQ does: later weights make up for earlier errors.

    free (out, n) holds the weights in units of mantissas and is updated in place; rounded (out, n) receives integers
    within +-limit, errors (out, n) each weight's error over its entry of the diagonal of factor (n, n), an upper
    triangle.
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
    """Coordinate descent in place: ``sweeps`` times move each integer of rounded (out, n) to the best within +-limit.

    pull (out, n) is (weights - rounded) times the covariance (n, n) of the inputs, and is updated in place.
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
