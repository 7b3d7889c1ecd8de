"""Trace-driven products, by compiled loops: stepped sums of pairs of rows that may saturate, and sums of squares."""

# numba types these functions by their calls, not by their signatures
# pyright: reportCallIssue=false

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy
from processes.kernels import product as kernels
from processes.kernels.decode import decode_table


def step_pairs(
    a: torch.Tensor,
    b: torch.Tensor,
    unsure: torch.Tensor,
    bias: torch.Tensor,
    traces: np.ndarray,
    delay: int,
    limit: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials and clips, int64 (n,) each, of the pairs of rows of a and b where ``unsure`` (G, rows, columns) holds.

    A pair of spikes adds the product of their values at the later of their steps; b's window begins ``delay`` steps
    after a's. The potential begins with the bias and is clipped to +-limit at every step. Codes a (planes, G, rows, D)
    and b (planes, G, columns, D); bias int64 (G or fewer, rows, columns), repeated along G; traces (2, T).
    """
    y, clips = (torch.zeros(unsure.shape, dtype=torch.int64) for _ in range(2))
    views, tables = (as_numpy(t) for t in (a, b, unsure, bias)), (decode_table(trace, np.int64) for trace in traces)
    kernels.step_pairs(*views, *tables, traces.shape[-1], delay, limit, y.numpy(), clips.numpy())
    return y[unsure], clips[unsure]


def square_sum(codes: torch.Tensor, trace: np.ndarray, weight: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, ...), along the last axis, of weight_d x_d^2, where x are the values of codes (planes, N, ..., D)."""
    out = torch.empty(codes.shape[1:-1], dtype=dtype)
    view = out.numpy()
    table = decode_table(trace, view.dtype)
    kernels.square_sum(_rows(codes), table, _features(weight, codes, view.dtype), view.reshape(-1))
    return out


def square_sum_shifted(
    codes: torch.Tensor, trace: np.ndarray, shift: np.ndarray, fraction: int, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums along the last axis of the integer squares of codes (planes, N, ..., D), and clips, int32 (N, ...) each.

    p_k being the signed trace of a spike at k and r what its neuron has sent before, the spike adds (2 r p_k + p_k^2)
    >> shift_d, rounded toward zero, to a sum with ``fraction`` bits after the point. The whole part of the sum is
    clipped to +-limit at every step.
    """
    out, clips = (torch.empty(codes.shape[1:-1], dtype=torch.int32) for _ in range(2))
    table, right = decode_table(trace, np.int64), _features(shift, codes, np.int64)
    kernels.square_sum_shifted(
        _rows(codes), table, len(trace), right, fraction, limit, out.numpy().reshape(-1), clips.numpy().reshape(-1)
    )
    return out, clips


def _rows(codes: torch.Tensor) -> np.ndarray:
    """Codes as an array (planes, rows, last axis)."""
    return as_numpy(codes).reshape(len(codes), -1, codes.shape[-1])


def _features(parameter: np.ndarray, codes: torch.Tensor, dtype: np.dtype | type) -> np.ndarray:
    """A parameter, shared or per feature, as one number for each feature (D,)."""
    return np.broadcast_to(parameter.reshape(-1), codes.shape[-1]).astype(dtype)
