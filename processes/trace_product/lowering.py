"""Lowering with products: sums of what is never negative are not either."""

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
    """Where no value of a row or of a column ever is, and the bias is not."""
    a, b = signs(0).double(), signs(1).double()
    b = b.transpose(-1, -2) if op.transpose_b else b
    return (a @ b == a.shape[-1]) & torch.from_numpy(np.broadcast_to(op.bias >= 0, op.shape).copy())
