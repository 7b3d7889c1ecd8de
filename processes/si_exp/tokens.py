"""How fitted exponentials go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.si_exp import SiExp
from processes.tokens import Axes, Tokens, causal, tokens


@tokens.of(SiExp)
def _(op: SiExp, operands: Sequence[Axes]) -> Tokens:
    """The row of a token reads the tokens up to its own, if its mask is causal.

    Raises:
        DeployError: the input decides which tokens take part, or a row reads tokens after its own.
    """
    if len(operands) > 1:
        raise DeployError("which tokens take part depends on the input")
    if operands[0].columns != -1 or not causal(op.allowed, operands[0]):
        raise DeployError("its rows read tokens after their own")
    return Tokens(Axes(operands[0].rows, -1, masked=True), ("allowed",))
