"""Grouped convolutions of integers."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import Geometry


def grouped(x: torch.Tensor, weight: np.ndarray, geometry: Geometry) -> torch.Tensor:
    """Cross-correlations (N, O, H', W') of x (N, C, H, W) with integer weights (O, C / groups, kh, kw), of the type of x.

    They are formed in float64: libraries may choose an algorithm that is not exact in float32, whose integers end at 2^24.
    """
    found = torch.nn.functional.conv2d(x.double(), constant(weight, x.device, torch.float64), None, *geometry)
    return found.to(x.dtype)
