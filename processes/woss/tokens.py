"""Later tokens of rows that race."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.tokens import Axes, Tokens, causal, tokens
from processes.woss import Woss


@tokens.of(Woss)
def _(op: Woss, operands: Sequence[Axes]) -> Tokens:
    """A row races over the tokens up to its own."""
    if len(operands) > 1:
        raise DeployError("which tokens take part depends on the input")
    if operands[0].columns != -1 or not causal(op.allowed, operands[0]):
        raise DeployError("its rows read tokens after their own")
    return Tokens(Axes(operands[0].rows, -1, masked=True), ("allowed",))
