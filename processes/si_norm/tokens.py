"""Later tokens of normalised rows."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.si_norm import SiNorm
from processes.tokens import Axes, Tokens, tokens


@tokens.of(SiNorm)
def _(op: SiNorm, operands: Sequence[Axes]) -> Tokens:
    """A row's sum is over the tokens up to its own."""
    if operands[0].columns != -1 or not operands[0].masked:
        raise DeployError("it divides by a sum over tokens that are still to come")
    return Tokens(operands[0])
