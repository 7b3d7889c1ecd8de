"""Residual streams and centring in fixed point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import Axes


def add_up(
    operands: Sequence[torch.Tensor], factors: np.ndarray, bias: np.ndarray, axes: Axes, limit: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Sums, int32 (N, *shape), of a bias (A, D) and of operands (N, *shape) times factors (operands, A, D); and clips.

    Every product is rounded toward zero: a potential times a mantissa is an integer below 2^53, exact in float64 also
    times a power of two, and dropping its fraction is the shift toward zero. Sums are clipped to +-limit; the second
    result is 1 where one was clipped, int32 of the same shape, None if none was.
    """
    device = operands[0].device
    total = constant(bias, device, torch.float64)[:, None].expand(-1, axes[1], -1)
    for v, factor in zip(operands, constant(factors, device, torch.float64), strict=True):
        total = total + (v.reshape(-1, *axes).double() * factor[:, None]).trunc_()
    return _clipped(total.reshape(operands[0].shape), limit)


def centre(v: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """v minus its mean over the last axis, the mean rounded toward zero, int32 clipped to +-limit; and what clipped.

    The second result is 1 where a value was clipped, int32 of the shape of v; None if none was.
    """
    mean = torch.div(v.sum(-1, keepdim=True, dtype=torch.int64), v.shape[-1], rounding_mode="trunc")
    return _clipped(v - mean, limit)


def _clipped(total: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """``total`` clipped to +-limit, int32, and 1 where that changed it, int32, or None if nowhere."""
    beyond = total.abs() > limit
    return total.clamp(-limit, limit).to(torch.int32), beyond.int() if bool(beyond.any()) else None
