"""Grouped convolutions of integers, by a compiled loop."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.backends.tables import Geometry
from processes.kernels import grouped as kernels


def grouped(x: torch.Tensor, weight: np.ndarray, geometry: Geometry) -> torch.Tensor:
    """Cross-correlation (N, O, H', W') of x (N, C, H, W) with integer weights (O, C / groups, kh, kw), in x's type.

    Products and sums are exact while sums of magnitudes stay up to 2^24 where x is float32, or 2^53 where it is
    float64.
    """
    values = as_numpy(x)
    size = (weight.shape[0], *geometry.sides(weight.shape[2:], values.shape[2:]))
    out = torch.zeros((len(values), *size), dtype=x.dtype)
    kernels.convolve(
        values, weight.astype(values.dtype), geometry.stride, geometry.padding, geometry.dilation, out.numpy()
    )
    return out
