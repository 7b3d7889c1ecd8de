"""Saturating integer sums: one matrix product where a bound proves that nothing saturates, event by event elsewhere.

A window adds trace_k * w z(k) for k = 0, 1, ... and clips to +-(2^(bits-1) - 1) after every step. Every partial sum is
a sum over a subset of the spikes, so by Cauchy-Schwarz it stays below ||w|| ||x|| + |b|; where a neuron has several
spikes, x adds them up regardless of sign, as a later one may take back half of the first. Where this is within the limit
(less than 2^23) nothing clips, and a float32 product is exact in any order of summation because all its partial sums are
integers below 2^24. The other rows are stepped through, at one to two times the cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.spikes import as_numpy, decode, decode_bounded
from processes.synapse import kernels

MARGIN = 1 + 1e-3  # float32 rounding of the bounds themselves, far above 2^-24 times any row length

Clips = torch.Tensor | None  # how often each neuron was clipped; None stands for no clip at all


class Rows:
    """Mantissas (out, ...) of a matrix or of flattened patches, prepared once for both ways."""

    def __init__(self, weight: np.ndarray) -> None:
        self.source = weight
        flat = weight.reshape(len(weight), -1)
        self.matrix = torch.tensor(flat, dtype=torch.float32)
        self.reach = float(torch.linalg.vector_norm(self.matrix, dim=1).max()) * MARGIN
        self.largest_sum = int(np.abs(flat.astype(np.int64)).sum(1).max())
        self._signed: np.ndarray | None = None

    @property
    def signed(self) -> np.ndarray:
        """(2 in, out) int8: each input's weights, then their negatives."""
        if self._signed is None:
            columns = np.ascontiguousarray(self.source.reshape(len(self.source), -1).T)
            self._signed = np.stack([columns, -columns], 1).reshape(-1, len(self.source))
        return self._signed

    def accumulate(
        self, codes: torch.Tensor, bias: np.ndarray, trace: np.ndarray, bits: int
    ) -> tuple[torch.Tensor, Clips]:
        """Potentials (rows, out) of codes (planes, rows, in); integers below 2^24 in magnitude, carried in float32."""
        x, norms = decode_bounded(codes, trace)
        sure = norms * self.reach + float(np.abs(bias).max(initial=0)) <= 2 ** (bits - 1) - 1
        if not bool(sure.any()):
            del x  # as large as what follows
            return self._step(codes, bias, trace, bits)
        y = torch.nn.functional.linear(x, self.matrix, torch.tensor(bias, dtype=torch.float32))
        if bool(sure.all()):
            return y, None
        y[~sure], some = self._step(codes[:, ~sure], bias, trace, bits)
        if some is None:
            return y, None
        clips = torch.zeros(y.shape, dtype=torch.int16)
        clips[~sure] = some
        return y, clips

    def _step(self, codes: torch.Tensor, bias: np.ndarray, trace: np.ndarray, bits: int) -> tuple[torch.Tensor, Clips]:
        """The same by the definition."""
        limit = 2 ** (bits - 1) - 1
        y = torch.empty((codes.shape[1], len(self.source)))
        clips = torch.zeros(y.shape, dtype=torch.int16)
        at_once = self.largest_sum * int(trace[0]) + 2 * limit  # potential and bias, and all that one step can add
        dtype = np.int32 if at_once < 2**31 else np.int64
        b, p = np.ascontiguousarray(bias, dtype), np.ascontiguousarray(trace, dtype)
        kernels.step_rows(as_numpy(codes), self.signed, b, p, limit, y.numpy(), clips.numpy())
        return y, clips if bool(clips.any()) else None


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
