"""Lowering with elementwise products: squares are never negative."""

from __future__ import annotations

import torch

from processes.elementwise_product import ElementwiseProduct
from processes.lowering import Signs, everywhere, multiplies, never_negative

multiplies.always(True, ElementwiseProduct)


@never_negative.of(ElementwiseProduct)
def _(op: ElementwiseProduct, signs: Signs) -> torch.Tensor:
    """True where neither operand is ever negative, and everywhere if both operands are the same node (a square)."""
    square = len(set(signs.names)) == 1
    return everywhere(op, signs) if square else signs(0) & signs(1)
