"""Lowering with max pooling."""

from __future__ import annotations

import torch

from processes.lowering import Signs, everywhere, multiplies, never_negative, nowhere
from processes.max_pool import MaxPool

multiplies.always(False, MaxPool)


@never_negative.of(MaxPool)
def _(op: MaxPool, signs: Signs) -> torch.Tensor:
    """True everywhere if no value of the operand is ever negative, else False everywhere."""
    return everywhere(op, signs) if bool(signs(0).all()) else nowhere(op, signs)
