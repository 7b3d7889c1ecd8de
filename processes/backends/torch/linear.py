"""Products of spikes and weights in integers, and bounds on their partial sums: the definition."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.products import linear as product
from processes.backends.rows import Rows
from processes.backends.torch.bounds import DecodeNorms, decode_norms
from processes.backends.torch.decode import DecodeSizes, decode_sizes


def linear(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, decode_norms: DecodeNorms = decode_norms
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials W x + b (R, out), float32, of values x of codes (planes, R, in), and norms (R,) of x's sizes.

    Sizes are sums of |trace_k| over a neuron's spikes, norms Euclidean. Potentials are exact, in any order of sums,
    while no partial sum reaches 2^24.
    """
    x, norms = decode_norms(codes, trace)
    return product(x, rows.matrix(x.device), constant(bias, x.device, torch.float32)), norms


def one_sided(
    codes: torch.Tensor, y: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray,
    decode_sizes: DecodeSizes = decode_sizes,
) -> torch.Tensor:  # fmt: skip
    """For each row, float64 (R,), a bound on the sums of positive and of negative terms of any output with its bias.

    It is half the sum of the terms' magnitudes plus half of |y|, y (R, out) being the sum from :func:`linear`, which
    need not be exact: with n terms, both products err by less than n 2^-24 of the sum of the terms' magnitudes.
    """
    sizes, device = decode_sizes(codes, trace, torch.float32)[1], y.device
    magnitudes = product(sizes, rows.matrix(device).abs(), constant(np.abs(bias), device, torch.float32))
    rounding = (sizes.shape[-1] + 4) * 2.0**-22
    return magnitudes.add_(y.abs()).amax(-1).double() * ((1 + rounding) / 2)
