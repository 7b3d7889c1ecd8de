"""Trace-driven products: stepped sums of pairs of rows that may saturate, and sums of squares."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.torch.decode import decode, signed_levels, value
from processes.fixed import shift_toward_zero

CHUNK = 2**22
"""Most products of features that are held at a time."""


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
    g, i, j = unsure.nonzero(as_tuple=True)
    features = a.shape[-1]
    parts = [
        pairs_arriving(a[:, g[part], i[part]], b[:, g[part], j[part]], traces, delay)
        for part in torch.arange(len(g), device=g.device).split(max(1, CHUNK // (features * len(a) * len(b))))
    ]
    arriving = torch.cat(parts)
    arriving[:, 0] += bias[g % len(bias), i, j]
    return clipped_sums(arriving, limit)


def pairs_arriving(a: torch.Tensor, b: torch.Tensor, traces: np.ndarray, delay: int) -> torch.Tensor:
    """Sums of the products of spikes of codes a and b (planes, n, D) that arrive at each step, int64 (n, steps)."""
    steps = traces.shape[-1]
    begin = max(0, delay)
    arriving = torch.zeros((a.shape[1], max(steps, steps + delay) - begin), dtype=torch.int64, device=a.device)
    levels_a, levels_b = (signed_levels(trace, a.device, torch.int64) for trace in traces)
    for x in a:
        for z in b:
            product = value(x, levels_a) * value(z, levels_b)  # 0 where either is silent
            later = torch.maximum(x.long().abs() - 1, z.long().abs() - 1 + delay) - begin
            arriving.scatter_add_(1, later.clamp(min=0), product)
    return arriving


def square_sum(codes: torch.Tensor, trace: np.ndarray, weight: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, ...), along the last axis, of weight_d x_d^2, where x are the values of codes (planes, N, ..., D)."""
    held = decode(codes, trace, dtype)
    return (constant(weight, codes.device, dtype).reshape(-1) * held * held).sum(-1)


def square_sum_shifted(
    codes: torch.Tensor, trace: np.ndarray, shift: np.ndarray, fraction: int, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums along the last axis of the integer squares of codes (planes, N, ..., D), and clips, int32 (N, ...) each.

    p_k being the signed trace of a spike at k and r what its neuron has sent before, the spike adds (2 r p_k + p_k^2)
    >> shift_d, rounded toward zero, to a sum with ``fraction`` bits after the point. The whole part of the sum is
    clipped to +-limit at every step.
    """
    levels, right = (
        signed_levels(trace, codes.device, torch.int64),
        constant(shift, codes.device, torch.int64).reshape(-1),
    )
    shares, held = [], torch.zeros(codes.shape[1:], dtype=torch.int64, device=codes.device)
    for plane in codes:
        level = value(plane, levels)
        shares.append(shift_toward_zero(level * (level + 2 * held), right))
        held = held + level
    share = torch.stack(shares)
    total, clips = (
        share.sum((0, -1)) >> fraction,
        torch.zeros(codes.shape[1:-1], dtype=torch.int64, device=codes.device),
    )
    may_clip = (share.abs().sum((0, -1)) >> fraction) >= limit
    if bool(may_clip.any()):
        spikes, added = codes[:, may_clip], share[:, may_clip]  # (planes, n, D)
        arriving = torch.zeros((spikes.shape[1], len(trace)), dtype=torch.int64, device=codes.device)
        for plane, part in zip(spikes, added, strict=True):
            arriving.scatter_add_(1, (plane.long().abs() - 1).clamp(min=0), part)
        whole = arriving.cumsum(1) >> fraction
        sent = torch.diff(whole, dim=1, prepend=torch.zeros_like(whole[:, :1]))
        total[may_clip], clips[may_clip] = clipped_sums(sent, limit)
    return total.int(), clips.int()


def clipped_sums(arriving: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials and clips, int64 (n,) each: what arrives (n, steps) is added step by step and clipped to +-limit."""
    v, clips = (torch.zeros(len(arriving), dtype=torch.int64, device=arriving.device) for _ in range(2))
    for current in arriving.unbind(1):
        v = v + current
        clips += v.abs() > limit
        v = v.clamp(-limit, limit)
    return v, clips
