"""Values of codes: the sum of sign * trace_k over a neuron's spikes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.backends.constants import constant
from processes.kernels.decode import decode_table

Decode = Callable[[torch.Tensor, np.ndarray, torch.dtype], torch.Tensor]
DecodeSizes = Callable[[torch.Tensor, np.ndarray, torch.dtype], tuple[torch.Tensor, torch.Tensor]]
"""The types of :func:`decode` and :func:`decode_sizes`, which another backend may replace."""


def decode(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Values (N, *shape) of codes (planes, N, *shape), added up in the order of the planes."""
    levels = signed_levels(trace, codes.device, dtype)
    total = value(codes[0], levels)
    for plane in codes[1:]:
        total += value(plane, levels)
    return total


def decode_sizes(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (N, *shape) of codes (planes, N, *shape), and sums of their magnitudes |trace_k|."""
    levels = signed_levels(trace, codes.device, dtype)
    values = value(codes[0], levels)
    sizes = values.abs()
    for plane in codes[1:]:
        more = value(plane, levels)
        values += more
        sizes += more.abs()
    return values, sizes


def bounded(
    codes: torch.Tensor, trace: np.ndarray, axis: int, decode: Decode = decode, decode_sizes: DecodeSizes = decode_sizes
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values in float32, and along an axis what no subset of the spikes exceeds, (N, *shape without the axis).

    That is the norm of the sums of |trace_k| over each neuron's spikes.
    """
    if len(codes) == 1:
        values = sizes = decode(codes, trace, torch.float32)  # squares have no sign
    else:
        values, sizes = decode_sizes(codes, trace, torch.float32)
    if axis == -1:
        return values, torch.linalg.vector_norm(sizes, dim=-1)
    return values, sizes.square().sum(axis).sqrt_()  # along other axes than the last the norm takes seven times as long


def row_sums(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, ...) along the last axis of the values of codes (planes, N, ..., D)."""
    return decode(codes, trace, dtype).sum(-1)


def signed_levels(trace: np.ndarray, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Values of the codes 0, 1 .. T, -T .. -1, in this order, zeros between them; their number is a power of two."""
    return constant(trace, device, dtype, _both_signs)


def value(codes: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Entries of ``levels`` that codes, each of one spike or none, stand for."""
    return levels[codes.long() & (len(levels) - 1)]


def _both_signs(trace: np.ndarray) -> np.ndarray:
    return decode_table(trace, np.float64)
