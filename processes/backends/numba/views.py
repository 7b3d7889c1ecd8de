"""Tensors on the CPU as numpy arrays that share their memory."""

from __future__ import annotations

import numpy as np
import torch

from processes.phase_code import code_dtype


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A tensor as a contiguous numpy array: a view, or a copy if the tensor is strided or on another device."""
    return tensor.contiguous().numpy(force=True)


def empty_codes(planes: int, like: torch.Tensor, steps: int) -> torch.Tensor:
    """Uninitialised codes (planes, *like.shape) for a window of ``steps`` steps, int8 or int16."""
    dtype = torch.int8 if code_dtype(steps) is np.int8 else torch.int16
    return torch.empty((planes, *like.shape), dtype=dtype)
