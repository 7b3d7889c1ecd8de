"""Decoded values of codes: the sum of sign * trace_k over a neuron's spikes."""

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
    """Values (N, *shape) of codes (planes, N, *shape): sums of sign * trace_k, added in the order of the planes."""
    levels = signed_levels(trace, codes.device, dtype)
    total = value(codes[0], levels)
    for plane in codes[1:]:
        total += value(plane, levels)
    return total


def decode_sizes(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes (planes, N, *shape), and their sizes, sums of |trace_k| over a neuron's spikes; (N, *shape)."""
    levels = signed_levels(trace, codes.device, dtype)
    values = value(codes[0], levels)
    sizes = values.abs()
    for plane in codes[1:]:
        more = value(plane, levels)
        values += more
        sizes += more.abs()
    return values, sizes


def row_sums(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, ...), along the last axis, of the values of codes (planes, N, ..., D)."""
    return decode(codes, trace, dtype).sum(-1)


def signed_levels(trace: np.ndarray, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Values of the codes 0, 1 .. T, -T .. -1, in this order, with zeros between T and -T; 2^8 or 2^16 entries."""
    return constant(trace, device, dtype, _both_signs)


def value(codes: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Values of the codes of one plane: their entries in ``levels``, from :func:`signed_levels`."""
    return levels[codes.long() & (len(levels) - 1)]


def _both_signs(trace: np.ndarray) -> np.ndarray:
    """The table of :func:`signed_levels`, float64."""
    return decode_table(trace, np.float64)
