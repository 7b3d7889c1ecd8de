"""How dynamic-threshold neurons go on with later tokens (:mod:`processes.tokens`)."""

from __future__ import annotations

from collections.abc import Sequence

from processes.dynamic_threshold import DynamicThreshold
from processes.errors import DeployError
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(DynamicThreshold)
def _(op: DynamicThreshold, operands: Sequence[Axes]) -> Tokens:
    """Norms and routers divide a token's row by its own sum; softmax by a sum over the tokens that the row reads."""
    divided, other = operands
    if not op.squared:
        own = other.columns is None and other.rows != -1
        if not own and (other.columns != -1 or not other.masked):
            raise DeployError("it divides by a sum over tokens that are still to come")
        other = Axes(other.rows)
    return alone(op, (divided, other), still=(op.scale, op.latest))
