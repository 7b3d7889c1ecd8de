"""How softmax rows that race (WOSS) go on with later tokens (:mod:`processes.tokens`)."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.tokens import Axes, Tokens, along_features, causal, tokens
from processes.woss import Woss


@tokens.of(Woss)
def _(op: Woss, operands: Sequence[Axes]) -> Tokens:
    """A row races over the tokens up to its own, or, as in a router, over one token's own values."""
    if len(operands) > 1:
        raise DeployError("which tokens take part depends on the input")
    if operands[0].columns is None and operands[0].rows == -2 and op.allowed is None:
        return along_features(op, operands, still=(op.latest,))
    if operands[0].columns != -1 or not causal(op.allowed, operands[0]):
        raise DeployError("its rows read tokens after their own")
    return Tokens(Axes(operands[0].rows, -1, masked=True), ("allowed",))
