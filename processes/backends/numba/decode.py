"""Decoded values of codes, by compiled loops."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.kernels import decode as kernels
from processes.kernels.decode import decode_table


def decode(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Values (N, *shape) of codes (planes, N, *shape): sums of sign * trace_k, added in the order of the planes."""
    out = torch.empty(codes.shape[1:], dtype=dtype)
    view = out.numpy()
    kernels.decode(_flat(codes), decode_table(trace, view.dtype), view.reshape(-1))
    return out


def decode_sizes(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes (planes, N, *shape), and their sizes, sums of |trace_k| over a neuron's spikes; (N, *shape)."""
    if len(codes) == 1:
        values = decode(codes, trace, dtype)
        return values, values.abs()
    values, sizes = torch.empty(codes.shape[1:], dtype=dtype), torch.empty(codes.shape[1:], dtype=dtype)
    table = decode_table(trace, values.numpy().dtype)
    kernels.decode_sizes(_flat(codes), table, values.numpy().reshape(-1), sizes.numpy().reshape(-1))
    return values, sizes


def row_sums(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, ...), along the last axis, of the values of codes (planes, N, ..., D)."""
    out = torch.empty(codes.shape[1:-1], dtype=dtype)
    view = out.numpy()
    rows = as_numpy(codes).reshape(len(codes), -1, codes.shape[-1])
    kernels.row_sums(rows, decode_table(trace, view.dtype), view.reshape(-1))
    return out


def _flat(codes: torch.Tensor) -> np.ndarray:
    """Codes as an array (planes, neurons)."""
    return as_numpy(codes).reshape(len(codes), -1)
