"""Bounds on sums of spikes: norms of decoded values, and which rows of potentials may have been clipped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.backends.torch.decode import Decode, DecodeSizes, decode, decode_sizes

DecodeNorms = Callable[[torch.Tensor, np.ndarray], tuple[torch.Tensor, torch.Tensor]]
"""The type of :func:`decode_norms`, which another backend may replace."""


def decode_norms(
    codes: torch.Tensor, trace: np.ndarray, decode: Decode = decode, decode_sizes: DecodeSizes = decode_sizes
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes, float32 (N, *shape), and Euclidean norms of their sizes along the last axis, (N, *shape without it).

    A neuron's size is the sum of |trace_k| over its spikes, so no subset of the spikes has values of a larger norm.
    """
    if len(codes) == 1:
        values = sizes = decode(codes, trace, torch.float32)  # squares have no sign
    else:
        values, sizes = decode_sizes(codes, trace, torch.float32)
    return values, torch.linalg.vector_norm(sizes, dim=-1)


def may_clip(y: torch.Tensor, norms: torch.Tensor, factor: float, offset: float, limit: int) -> torch.Tensor:
    """Indices, ascending, of the rows of potentials y (R, n) of which one may have been clipped on its way to a sum.

    The magnitudes of a potential's terms add up to at most factor * norm + offset, norms (R,). Terms of one sign add up to
    at most half of that and half of |potential|, so that where both together are at most twice the limit nothing clips.
    """
    peak = torch.maximum(y.amax(-1), -y.amin(-1))
    return (norms * factor + offset + peak > 2 * limit).nonzero()[:, 0]
