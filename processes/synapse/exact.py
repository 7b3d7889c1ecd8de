"""Saturating integer sums: one matrix product where a bound proves that nothing saturates, event by event elsewhere.

A window adds trace_k * w z(k) for k = 0, 1, ... and clips to +-(2^(bits-1) - 1) after every step. Every partial sum is
a sum over a subset of the spikes, so by Cauchy-Schwarz it stays below ||w|| ||x|| + |b|; where a neuron has several
spikes, x adds them up regardless of sign, as a later one may take back half of the first. Where this is more than the limit,
a second product tells more: no subset exceeds the sum of all its positive (or negative) terms, which is half of the terms'
magnitudes plus half of the sum itself, about a third of the first bound where signs are mixed. Where either is within the
limit (less than 2^23) nothing clips, and a float32 product is exact in any order of summation because all its partial sums
are integers below 2^24. The other rows are stepped through, which costs as much as twenty products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.rows import MARGIN, Rows
from processes.spikes import decode

Clips = torch.Tensor | None  # how often each neuron was clipped; None stands for no clip at all


def accumulate_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, bits: int
) -> tuple[torch.Tensor, Clips]:
    """Potentials (rows, out) of codes (planes, rows, in); integers below 2^24 in magnitude, carried in float32."""
    backend, device, limit = backend_of(codes), codes.device, 2 ** (bits - 1) - 1
    y, norms = backend.linear(codes, rows, bias, trace)
    unsure = norms * rows.reach + float(np.abs(bias).max(initial=0)) > limit
    if bool(unsure.any()):
        unsure[unsure.clone()] = backend.one_sided(codes[:, unsure], y[unsure], rows, bias, trace) > limit
    if not bool(unsure.any()):
        return y, None
    y[unsure], some = backend.step_rows(codes[:, unsure], rows, bias, trace, limit)
    if not bool(some.any()):
        return y, None
    clips = torch.zeros(y.shape, dtype=torch.int16, device=device)
    clips[unsure] = some
    return y, clips


def accumulate(
    codes: torch.Tensor,
    linear: Callable[[torch.Tensor], torch.Tensor],
    absolute: Callable[[torch.Tensor], torch.Tensor],
    with_bias: Callable[[torch.Tensor], torch.Tensor],
    trace: np.ndarray,
    bits: int,
) -> tuple[torch.Tensor, Clips]:
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
) -> tuple[torch.Tensor, Clips]:
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
