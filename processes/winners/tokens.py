"""How k winners go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.tokens import Axes, Tokens, along_features, tokens
from processes.winners import Winners


@tokens.of(Winners)
def _(op: Winners, operands: Sequence[Axes]) -> Tokens:
    """The features of each token race among themselves; tokens do not mix."""
    return along_features(op, operands)
