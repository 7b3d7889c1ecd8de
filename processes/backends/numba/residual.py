"""Residual streams and centring in fixed point, by compiled loops."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.backends.tables import Axes
from processes.kernels import residual as kernels


def add_scaled(total: torch.Tensor, v: torch.Tensor, factor: np.ndarray, axes: Axes) -> None:
    """total (N, *shape), contiguous float64, += v (N, *shape) * factor (A, D), float64, without its fraction.

    A potential times a mantissa is an integer below 2^53, exact in float64 also times a power of two, and cutting its fraction
    off is the shift toward zero.
    """
    folded, added = (as_numpy(t).reshape(-1, *axes) for t in (total, v))
    kernels.add_scaled(folded, added, factor)


def clip(total: torch.Tensor, limit: int) -> tuple[torch.Tensor, int]:
    """int32 (...) of whole numbers, clipped to +-limit, and how many lay beyond."""
    out = torch.empty(total.shape, dtype=torch.int32)
    before, after = (as_numpy(t).reshape(-1, t.shape[-1]) for t in (total, out))
    return out, int(kernels.clip(before, limit, after))


def centre(v: torch.Tensor, limit: int) -> tuple[torch.Tensor, int]:
    """int32 v - mean, the mean over the last axis cut toward zero, clipped to +-limit; and how many lay beyond."""
    out = torch.empty(v.shape, dtype=torch.int32)
    before, after = (as_numpy(t).reshape(-1, t.shape[-1]) for t in (v, out))
    return out, int(kernels.centre(before, limit, after))
