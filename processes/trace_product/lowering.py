"""Lowering with products: sums of products of values that are never negative are not negative."""

from __future__ import annotations

import numpy as np
import torch

from processes.lowering import Signs, everywhere, multiplies, never_negative
from processes.trace_product import SquareSum, TraceProduct

multiplies.always(True, TraceProduct)
multiplies.always(False, SquareSum)
never_negative.of(SquareSum)(everywhere)


@never_negative.of(TraceProduct)
def _(op: TraceProduct, signs: Signs) -> torch.Tensor:
    """True where no value of the output's row of a and column of b can be negative, nor the bias."""
    a, b = signs(0).double(), signs(1).double()
    b = b.transpose(-1, -2) if op.transpose_b else b
    return (a @ b == a.shape[-1]) & torch.from_numpy(np.broadcast_to(op.bias >= 0, op.shape).copy())
