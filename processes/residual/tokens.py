"""How residual streams and centring go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.residual import Centre, Residual
from processes.tokens import Axes, Tokens, alone, along_features, tokens


@tokens.of(Residual)
def _(op: Residual, operands: Sequence[Axes]) -> Tokens:
    """Each neuron is independent of other tokens; weights and biases may differ by token (position)."""
    return alone(op, operands, "bias", "weights", "mantissas", "shifts")


@tokens.of(Centre)
def _(op: Centre, operands: Sequence[Axes]) -> Tokens:
    """A mean over the features of each token; tokens do not mix."""
    return along_features(op, operands)
