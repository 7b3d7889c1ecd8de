"""Residual streams and centring in fixed point."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import Axes


def add_scaled(total: torch.Tensor, v: torch.Tensor, factor: np.ndarray, axes: Axes) -> None:
    """total (N, *shape), contiguous float64, += v (N, *shape) * factor (A, D), float64, without its fraction.

    A potential times a mantissa is an integer below 2^53, exact in float64 also times a power of two, and cutting its fraction
    off is the shift toward zero.
    """
    folded = total.view(-1, *axes)
    folded += (v.reshape(-1, *axes).double() * constant(factor, v.device)[:, None]).trunc_()


def clip(total: torch.Tensor, limit: int) -> tuple[torch.Tensor, int]:
    """int32 (...) of whole numbers, clipped to +-limit, and how many lay beyond."""
    beyond = int((total.abs() > limit).sum())
    return total.clamp(-limit, limit).to(torch.int32), beyond


def centre(v: torch.Tensor, limit: int) -> tuple[torch.Tensor, int]:
    """int32 v - mean, the mean over the last axis cut toward zero, clipped to +-limit; and how many lay beyond."""
    mean = torch.div(v.sum(-1, keepdim=True, dtype=torch.int64), v.shape[-1], rounding_mode="trunc")
    return clip(v - mean, limit)
