"""Grouped convolutions of integers."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import Geometry


def grouped(x: torch.Tensor, weight: np.ndarray, geometry: Geometry) -> torch.Tensor:
    """Cross-correlation (N, O, H', W') of x (N, C, H, W) with integer weights (O, C / groups, kh, kw), in x's type.

    They are computed in float64: in float32 libraries may choose an algorithm that is not exact even for integers below
    2^24.
    """
    found = torch.nn.functional.conv2d(x.double(), constant(weight, x.device, torch.float64), None, *geometry)
    return found.to(x.dtype)
