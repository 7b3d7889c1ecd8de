"""How elementwise products go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.elementwise_product import ElementwiseProduct
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(ElementwiseProduct)
def _(op: ElementwiseProduct, operands: Sequence[Axes]) -> Tokens:
    """Each neuron is independent of other tokens."""
    return alone(op, operands)
