"""How products of two spike trains go on with later tokens: the neurons of earlier tokens hold their local traces."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.tokens import Axes, Tokens, along_features, those_that_vary, tokens
from processes.trace_product import SquareSum, TraceProduct


@tokens.of(TraceProduct)
def _(op: TraceProduct, operands: Sequence[Axes]) -> Tokens:
    """Q K^T and A V read the held local traces of their second operand, keys or values of earlier tokens.

    A product within each token holds nothing.

    Raises:
        DeployError: the product is neither of these, or the weights of A V are not masked to earlier tokens.
    """
    a, b = operands
    summed, own = (-1, -2) if op.transpose_b else (-2, -1)  # axes of b
    if a == b and a.columns is None and a.rows < -2:
        return Tokens(a, those_that_vary(op, a, "bias"))
    if a.rows == -2 and b.columns is None:
        if a.columns is None and b.rows == own:
            axes = Axes(-2, -1)
            return Tokens(axes, those_that_vary(op, axes, "bias"), holds=b.rows)
        if a.columns == -1 and a.masked and b.rows == summed:
            axes = Axes(-2)
            return Tokens(axes, those_that_vary(op, axes, "bias"), holds=b.rows)
    raise DeployError("it is no product of a token with those before it")


@tokens.of(SquareSum)
def _(op: SquareSum, operands: Sequence[Axes]) -> Tokens:
    """A sum over the features of each token; tokens do not mix."""
    return along_features(op, operands, still=(op.weight, op.shift))
