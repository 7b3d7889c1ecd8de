"""Saturating products of spike trains: one matrix product where a bound proves that nothing clips, stepped sums elsewhere.

Every partial sum of a potential, over features or over time, is a sum of some of its terms. So its magnitude exceeds
neither that of the sum of all positive terms nor that of all negative ones, which are at most half of the sum of the
terms' magnitudes plus half of the magnitude of the potential. The sum of magnitudes is at most |a_i| |b_j|
(Cauchy-Schwarz), or is computed by a second matrix product; where a neuron has several spikes, the magnitudes of its
levels add up regardless of sign. Where this bound is within the limit (less than 2^23), nothing clips, and float32 is
exact in any order of summation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.rows import MARGIN
from processes.spikes import taken

if TYPE_CHECKING:
    from processes.trace_product import TraceProduct

Pair = tuple[torch.Tensor, torch.Tensor]


def saturating(
    op: TraceProduct, y: torch.Tensor, inputs: tuple[torch.Tensor, ...], values: Pair, norms: Pair
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Fixed-point potentials of a product, saturated at every step, and how often each was clipped.

    Args:
        op: the product.
        y: its potentials (N, *shape) from one matrix product in float32, right where nothing clips; is written into.
        inputs: the operands' codes (planes, N, *shape).
        values: the operands' decoded values, float32 (N, *shape).
        norms: bounds of the Euclidean norms of any part of the operands' spikes along the axis that is summed.

    Returns:
        Potentials like y, and clips int32 (N, *shape); None if nothing was clipped.
    """
    limit = 2 ** (op.state_bits - 1) - 1
    flat = y.flatten(0, -3)  # (G, rows, columns): G products of matrices
    rounding = (inputs[0].shape[-1] + 4) * 2.0**-22  # of sums in float32, far above 2^-24 a term
    one, other = ((MARGIN + rounding) * norm.flatten(0, -2) for norm in norms)
    most, offset = one.amax(-1) * other.amax(-1), float(np.abs(op.bias).max())
    left = backend_of(y).may_clip(flat.flatten(1), most, 1.0, offset, limit)
    if not len(left):
        return y, None
    bias = constant(op.bias, y.device, torch.int64).expand(op.shape).reshape(-1, *y.shape[-2:])
    bias = bias[left % len(bias)]
    known = taken(flat, left).abs() + bias.abs()
    unsure = taken(one, left)[:, :, None] * taken(other, left)[:, None] + known > 2 * limit
    if not bool(unsure.any()):
        return y, None
    a, b = (taken(matrices(sizes, op, i), left) for i, sizes in enumerate(magnitudes(op, inputs, values)))
    unsure &= (a @ b.transpose(-1, -2) + known) * (1 + rounding) > 2 * limit
    if not bool(unsure.any()):
        return y, None
    a, b = (taken(matrices(codes, op, i, planes=1), left, 1) for i, codes in enumerate(inputs))
    stepped, counted = backend_of(a).step_pairs(a, b, unsure, bias, op.traces, op.delay, limit)
    where = torch.zeros(flat.shape, dtype=torch.bool, device=y.device)
    where[left] = unsure
    where, y = where.reshape(y.shape), y.contiguous()
    y[where] = stepped.to(y.dtype)
    if not bool(counted.any()):
        return y, None
    clips = torch.zeros(y.shape, dtype=torch.int32, device=y.device)
    clips[where] = counted.int()
    return y, clips


def matrices(operand: torch.Tensor, op: TraceProduct, number: int, planes: int = 0) -> torch.Tensor:
    """Operand ``number`` (N, *shape) as G matrices (G, rows, D), D being the summed axis.

    ``planes`` leading axes of codes are kept in front.
    """
    rows = operand if number == 0 or op.transpose_b else operand.swapaxes(-1, -2)
    return rows.flatten(planes, -3)


def magnitudes(op: TraceProduct, inputs: tuple[torch.Tensor, ...], values: Pair) -> list[torch.Tensor]:
    """For both operands, the sum of the magnitudes of each neuron's levels, float32 (N, *shape)."""
    return [
        x.abs() if len(codes) == 1 else backend_of(codes).decode_sizes(codes, trace, torch.float32)[1]
        for codes, x, trace in zip(inputs, values, op.traces, strict=True)
    ]
