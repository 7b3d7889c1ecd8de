"""Saturating integer sums without stepping, where a bound proves that stepping would not saturate.

A window adds trace_k * w z(k) for k = 0, 1, ... and clips to +-(2^(bits-1) - 1) after every step. Every partial sum is
a sum over a subset of the spikes, so by Cauchy-Schwarz it stays below ||w|| ||x|| + |b|, and below |w| |x| + |b| in any
case; where a neuron has several spikes, x adds them up regardless of sign, as a later one may take back half of the
first. Where one of these is within the limit (less than 2^23) nothing clips, and a float32 product is exact in any
order of summation because all its partial sums are integers below 2^24. The rest is stepped.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.spikes import decode

MARGIN = 1 + 1e-3  # float32 rounding of the bounds themselves, far above 2^-24 times any row length


def accumulate_rows(
    codes: torch.Tensor, weight: torch.Tensor, bias: np.ndarray, trace: np.ndarray, bits: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Potentials (rows, out) of codes (planes, rows, in) under weight float32 (out, in), and how often each was clipped.

    They are integers below 2^24 in magnitude, carried in float32. None stands for no clip at all.
    """
    limit = 2 ** (bits - 1) - 1
    b = torch.as_tensor(bias, dtype=torch.float32)
    b_max = float(np.abs(bias).max(initial=0))
    x = decode(codes, trace)
    reach = torch.linalg.vector_norm(weight, dim=1).max()
    most = x if codes.shape[0] == 1 else decode(codes.abs(), trace)
    unsure = (torch.linalg.vector_norm(most, dim=1) * reach * MARGIN + b_max > limit).nonzero()[:, 0]
    y = torch.nn.functional.linear(x, weight, b)
    if not len(unsure):
        return y, None
    total = torch.nn.functional.linear(most[unsure].abs(), weight.abs()) * MARGIN + b.abs()
    unsure = unsure[(total > limit).any(1)]
    if not len(unsure):
        return y, None
    y[unsure], clipped = step_through(
        codes[:, unsure],
        lambda z: torch.nn.functional.linear(z, weight.double()),
        lambda v: v + b,
        trace,
        bits,
    )
    if clipped is None:
        return y, None
    clips = torch.zeros(y.shape, dtype=clipped.dtype)
    clips[unsure] = clipped
    return y, clips


def accumulate(
    codes: torch.Tensor,
    linear: Callable[[torch.Tensor], torch.Tensor],
    absolute: Callable[[torch.Tensor], torch.Tensor],
    with_bias: Callable[[torch.Tensor], torch.Tensor],
    trace: np.ndarray,
    bits: int,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The same for any linear map given in float64, and the map with absolute weights; all or nothing."""
    limit = 2 ** (bits - 1) - 1
    x = decode(codes, trace, torch.float64)
    reach = absolute(x.abs() if codes.shape[0] == 1 else decode(codes.abs(), trace, torch.float64))
    offset = with_bias(torch.zeros_like(reach)).abs()
    if bool((reach * MARGIN + offset <= limit).all()):
        return with_bias(linear(x)).to(torch.float32), None
    return step_through(codes, linear, with_bias, trace, bits)


def step_through(
    codes: torch.Tensor,
    linear: Callable[[torch.Tensor], torch.Tensor],
    with_bias: Callable[[torch.Tensor], torch.Tensor],
    trace: np.ndarray,
    bits: int,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The definition: bias at the first step, one sum and one saturation per step. Also counts each neuron's clips."""
    limit = 2 ** (bits - 1) - 1
    v: torch.Tensor | None = None
    clips: torch.Tensor | None = None
    for k in range(len(trace)):
        z = ((codes == k + 1).double() - (codes == -(k + 1)).double()).sum(0)
        current = linear(z) * float(trace[k])
        v = with_bias(current) if v is None else v + current
        beyond = v.abs() > limit
        if bool(beyond.any()):
            clips = beyond.int() if clips is None else clips + beyond
        v = v.clamp_(-limit, limit)
    assert v is not None
    return v.to(torch.float32), clips
