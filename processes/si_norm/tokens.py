"""How SI-norm goes on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.si_norm import SiNorm
from processes.tokens import Axes, Tokens, tokens


@tokens.of(SiNorm)
def _(op: SiNorm, operands: Sequence[Axes]) -> Tokens:
    """The sum of a token's row is over the tokens up to its own, if the rows are masked.

    Raises:
        DeployError: they are not.
    """
    if operands[0].columns != -1 or not operands[0].masked:
        raise DeployError("it divides by a sum over tokens that are still to come")
    return Tokens(operands[0])
