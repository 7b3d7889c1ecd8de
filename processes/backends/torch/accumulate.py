"""Saturating sums of synapses, step by step."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.rows import Rows
from processes.backends.torch import fused


def step_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials (R, out), float32, and clips (R, out), int16, of codes (planes, R, in).

    Starting from the bias, v <- clip(v + trace_k W z(k), +-limit) at each step k, z(k) in {-1, 0, 1} being its spikes.
    """
    device = codes.device
    if fused.usable(codes) and rows.largest_sum * int(trace[0]) + 2 * limit < 2**31:
        b, p = (constant(array, device, torch.int32) for array in (bias, trace))
        return fused.step_rows(codes, rows, b, p, limit)
    weight = rows.matrix(device).T
    v = constant(bias, device, torch.int64).expand(codes.shape[1], -1)
    clips = torch.zeros(v.shape, dtype=torch.int16, device=device)
    for k, p in enumerate(trace.tolist()):
        spikes = ((codes == k + 1).float() - (codes == -(k + 1)).float()).sum(0)
        v = v + p * (spikes @ weight).long()
        clips += v.abs() > limit
        v = v.clamp(-limit, limit)
    return v.float(), clips
