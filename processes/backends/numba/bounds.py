"""Bounds on sums of spikes, by compiled loops."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.kernels import bounds as kernels
from processes.kernels.decode import decode_table


def decode_norms(codes: torch.Tensor, trace: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes, float32 (N, *shape), and Euclidean norms of their sizes along the last axis, (N, *shape without it).

    A neuron's size is the sum of |trace_k| over its spikes, so no subset of the spikes has values of a larger norm.
    """
    values, norms = torch.empty(codes.shape[1:]), torch.empty(codes.shape[1:-1])
    flat, length = as_numpy(codes).reshape(len(codes), -1), codes.shape[-1]
    kernels.decode_norms(
        flat, decode_table(trace, np.float32), length, values.numpy().reshape(-1), norms.numpy().reshape(-1)
    )
    return values, norms


def may_clip(y: torch.Tensor, norms: torch.Tensor, factor: float, offset: float, limit: int) -> torch.Tensor:
    """Indices, ascending, of the rows of potentials y (R, n) of which one may have been clipped on its way to a sum.

    The magnitudes of a potential's terms add up to at most factor * norm + offset, norms (R,). Terms of one sign add up to
    at most half of that and half of |potential|, so that where both together are at most twice the limit nothing clips.
    """
    where = np.empty(len(y), bool)
    found = kernels.may_clip(as_numpy(y).view(np.int32), as_numpy(norms), float(factor), float(offset), limit, where)
    return torch.from_numpy(where.nonzero()[0] if found else np.empty(0, np.int64))
