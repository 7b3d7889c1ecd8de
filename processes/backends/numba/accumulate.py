"""Saturating sums of synapses, spike by spike, by a compiled loop."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.backends.rows import Rows
from processes.kernels import accumulate as kernels


def step_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials (R, out), float32, and clips (R, out), int16, of codes (planes, R, in).

    Starting from the bias, v <- clip(v + trace_k W z(k), +-limit) at each step k, where z(k) in {-1, 0, 1} are the
    spikes. Clips count, for each output, the steps at which its potential was clipped.
    """
    y = torch.empty((codes.shape[1], len(rows.weight)))
    clips = torch.zeros(y.shape, dtype=torch.int16)
    at_once = rows.largest_sum * int(trace[0]) + 2 * limit  # bounds potential and bias, and all that one step can add
    dtype = np.int32 if at_once < 2**31 else np.int64
    b, p = np.ascontiguousarray(bias, dtype), np.ascontiguousarray(trace, dtype)
    kernels.step_rows(as_numpy(codes), rows.signed, b, p, limit, y.numpy(), clips.numpy())
    return y, clips
