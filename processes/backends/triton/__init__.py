"""Kernels on CUDA devices: plain torch, but for three kinds that Triton computes in one pass over memory.

These are codes by lookup, values of codes, and the saturating sums of synapses (a product of int8 in tensor cores for
each step). Tensors beyond what 32-bit indices or sums can hold are left to plain torch.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.rows import Rows
from processes.backends.tables import Lookup
from processes.backends.torch import (
    add_up,
    centre,
    fire_digits,
    fire_exp,
    fire_fitted,
    fire_rate,
    fire_train,
    grouped,
    may_clip,
    row_sums,
    spelled,
    square_sum,
    square_sum_shifted,
    step_pairs,
)  # fmt: skip
from processes.backends.torch import decode as plain_decode
from processes.backends.torch import decode_norms as plain_decode_norms
from processes.backends.torch import decode_sizes as plain_decode_sizes
from processes.backends.torch import fire as plain_fire
from processes.backends.torch import fire_falling as plain_fire_falling
from processes.backends.torch import linear as plain_linear
from processes.backends.torch import one_sided as plain_one_sided
from processes.backends.torch import race as plain_race
from processes.backends.torch import step_rows as plain_step_rows
from processes.backends.torch.decode import signed_levels
from processes.backends.torch.lookup import look_up as plain_look_up
from processes.backends.triton import fused

__all__ = [
    "add_up", "centre", "decode", "decode_norms", "decode_sizes", "fire", "fire_digits", "fire_exp", "fire_falling",
    "fire_fitted", "fire_rate", "fire_train", "grouped", "linear", "may_clip", "one_sided", "race", "row_sums", "spelled",
    "square_sum", "square_sum_shifted", "step_pairs", "step_rows",
]  # fmt: skip

LARGEST = 2**31
"""Bound of indices of values and of sums in tensor cores, which are 32-bit integers."""


def look_up(
    v: torch.Tensor, gain: torch.Tensor | None, lookup: Lookup, largest: float, planes: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes by a codebook, and where they are unsure (:func:`processes.backends.torch.lookup.look_up`)."""
    way = fused.look_up if planes * v.numel() < LARGEST else plain_look_up
    return way(v, gain, lookup, largest, planes, dtype)


fire = partial(plain_fire, look_up=look_up)
fire_falling = partial(plain_fire_falling, look_up=look_up)
race = partial(plain_race, look_up=look_up)


def decode(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Values (N, *shape) of codes (planes, N, *shape): sums of sign * trace_k, added in the order of the planes."""
    if codes.numel() >= LARGEST:
        return plain_decode(codes, trace, dtype)
    return fused.decode(codes, signed_levels(trace, codes.device, dtype), sizes=False)[0]


def decode_sizes(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes (planes, N, *shape), and their sizes, sums of |trace_k| over a neuron's spikes; (N, *shape)."""
    if codes.numel() >= LARGEST:
        return plain_decode_sizes(codes, trace, dtype)
    return fused.decode(codes, signed_levels(trace, codes.device, dtype), sizes=True)


decode_norms = partial(plain_decode_norms, decode=decode, decode_sizes=decode_sizes)
linear = partial(plain_linear, decode_norms=decode_norms)
one_sided = partial(plain_one_sided, decode_sizes=decode_sizes)


def step_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials float32 and clips int16, (R, out) each, of codes (planes, R, in): v <- clip(v + trace_k W z(k))."""
    if rows.largest_sum * int(trace[0]) + 2 * limit >= LARGEST:
        return plain_step_rows(codes, rows, bias, trace, limit)
    b, p = (constant(array, codes.device, torch.int32) for array in (bias, trace))
    return fused.step_rows(codes, rows, b, p, limit)
