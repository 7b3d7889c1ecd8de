"""Residual streams and centring in fixed point, by compiled loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.backends.tables import Axes
from processes.backends.torch.residual import add_up as plain_add_up
from processes.backends.torch.residual import centre as plain_centre
from processes.kernels import residual as kernels


def add_up(
    operands: Sequence[torch.Tensor], factors: np.ndarray, bias: np.ndarray, axes: Axes, limit: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Sums, int32 (N, *shape), of a bias (A, D) and of operands (N, *shape) times factors (operands, A, D); and clips.

    Every product is rounded toward zero. Sums are clipped to +-limit; the second result is 1 where one was clipped,
    int32 of the same shape, None if none was.
    """
    if any(v.dtype not in (torch.float32, torch.int32) for v in operands):  # the loop takes words of 32 bits
        return plain_add_up(operands, factors, bias, axes, limit)
    out = torch.empty(operands[0].shape, dtype=torch.int32)
    _, m_len, d_len = axes
    length, repeat = (d_len, m_len) if d_len > 1 else (m_len, 1)  # loops along M where factors are the same there
    rows = tuple(as_numpy(v).reshape(-1, length).view(np.int32) for v in operands)
    real = np.array([v.is_floating_point() for v in operands])
    if kernels.add_up(rows, real, factors, bias, repeat, limit, out.numpy().reshape(-1, length)):
        return plain_add_up(operands, factors, bias, axes, limit)
    return out, None


def centre(v: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """v minus its mean over the last axis, the mean rounded toward zero, int32 clipped to +-limit; and what clipped.

    The second result is 1 where a value was clipped, int32 of the shape of v; None if none was.
    """
    out = torch.empty(v.shape, dtype=torch.int32)
    before, after = (as_numpy(t).reshape(-1, t.shape[-1]) for t in (v, out))
    return plain_centre(v, limit) if kernels.centre(before, limit, after) else (out, None)
