"""Later tokens of gates."""

from __future__ import annotations

from collections.abc import Sequence

from processes.elementwise_product import ElementwiseProduct
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(ElementwiseProduct)
def _(op: ElementwiseProduct, operands: Sequence[Axes]) -> Tokens:
    """Every neuron for itself."""
    return alone(op, operands)
