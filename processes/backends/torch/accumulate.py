"""Saturating sums of synapses, step by step."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.rows import Rows


def step_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials (R, out), float32, and clips (R, out), int16, of codes (planes, R, in).

    Starting from the bias, v <- clip(v + trace_k W z(k), +-limit) at each step k, where z(k) in {-1, 0, 1} are the
    spikes. Clips count, for each output, the steps at which its potential was clipped.
    """
    device = codes.device
    weight = rows.matrix(device).T
    v = constant(bias, device, torch.int64).expand(codes.shape[1], -1)
    clips = torch.zeros(v.shape, dtype=torch.int16, device=device)
    for k, p in enumerate(trace.tolist()):
        spikes = ((codes == k + 1).float() - (codes == -(k + 1)).float()).sum(0)
        v = v + p * (spikes @ weight).long()
        clips += v.abs() > limit
        v = v.clamp(-limit, limit)
    return v.float(), clips
