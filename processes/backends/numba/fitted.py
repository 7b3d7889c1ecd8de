"""Neurons of the SIT method (fitted ones, and those that divide), by compiled loops."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy, empty_codes
from processes.backends.tables import ExpTables, FittedTables
from processes.backends.torch.fitted import halved
from processes.kernels import fitted as kernels


def fire_fitted(v: torch.Tensor, tables: FittedTables) -> torch.Tensor:
    """Codes (K, N, *shape) of fitted neurons: at step t one fires if v >= threshold_t, and then v <- v - reset_t."""
    steps = len(tables.sign)
    codes, folded = empty_codes(steps, v, steps), as_numpy(v).reshape(-1, *tables.axes)
    threshold, reset = (table.astype(folded.dtype) for table in (tables.threshold, tables.reset))
    spread = int(len(threshold) > 1)
    kernels.fire_fitted(folded, threshold, reset, spread, tables.sign, codes.numpy().reshape(steps, *folded.shape))
    return codes


def fire_exp(v: torch.Tensor, tables: ExpTables, allowed: torch.Tensor) -> torch.Tensor:
    """Codes (K, N, *shape) of SI-exp for rows v (N, *shape) along the last axis.

    x is v minus the row's largest v. At clock step j a neuron fires if x + clock_j <= half, and then x <- x + clock_j;
    the fitted steps follow if x >= -2 half. Without a clock v itself takes the fitted steps. ``allowed``, bool (R or 1,
    heads or 1, rows or 1, keys), is False where a key takes no part.
    """
    folded = as_numpy(v).reshape(-1, *tables.axes)
    clock, half, threshold, reset = (array.astype(folded.dtype) for array in tables.arrays)
    steps, spread = clock.shape[1] + threshold.shape[1], int(len(threshold) > 1)
    codes = empty_codes(steps, v, steps)
    planes = codes.numpy().reshape(steps, *folded.shape)
    kernels.fire_exp(folded, clock, half, threshold, reset, spread, as_numpy(allowed), planes)
    return codes


def spelled(codes: torch.Tensor, output: np.ndarray, digits: int) -> torch.Tensor:
    """Exponentials (...) that codes (planes, ...) of SI-exp stand for; float64 or int64, as ``output`` (phases, K - J).

    The spikes of the first J = ``digits`` steps are the binary digits of N. The sum of output[N mod phases, t] over the
    fitted spikes, at least 0, is shifted right by N div phases.
    """
    table = output.astype(np.int64 if np.issubdtype(output.dtype, np.integer) else np.float64)
    flat = as_numpy(codes).reshape(len(codes), -1)
    total, shift = np.empty(flat.shape[1], table.dtype), np.empty(flat.shape[1], np.int64)
    kernels.add_up_exp(flat, table, digits, total, shift)
    return halved(torch.from_numpy(total), torch.from_numpy(shift)).reshape(codes.shape[1:])


def fire_digits(start: torch.Tensor, total: torch.Tensor, steps: int) -> torch.Tensor:
    """Codes (T, ..., D): the binary digits of start (..., D) / total (..., 1), a spike for each 1.

    v begins at ``start`` and doubles at each step but the first; where v >= total > 0 a neuron fires and subtracts the
    total.
    """
    codes = empty_codes(steps, start, steps)
    rows = as_numpy(start).reshape(-1, start.shape[-1])
    kernels.fire_norm(rows, as_numpy(total).reshape(-1), steps, codes.numpy().reshape(steps, *rows.shape))
    return codes
