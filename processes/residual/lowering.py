"""Lowering with residual streams and centring."""

from __future__ import annotations

import numpy as np
import torch

from processes.lowering import Signs, multiplies, never_negative, nowhere
from processes.residual import Centre, Residual

multiplies.always(False, Residual, Centre)
never_negative.of(Centre)(nowhere)


@never_negative.of(Residual)
def _(op: Residual, signs: Signs) -> torch.Tensor:
    """True where no branch can be negative and neither a weight nor the bias is."""
    operands = range(len(signs.names))
    weights = np.ones(len(operands)) if op.weights is None else op.weights
    branches = [signs(i) & torch.as_tensor(w >= 0) for i, w in zip(operands, weights, strict=True)]
    return torch.stack(branches).all(0) & torch.from_numpy(np.broadcast_to(op.bias >= 0, op.shape).copy())
