"""Later tokens of k winners."""

from __future__ import annotations

from collections.abc import Sequence

from processes.tokens import Axes, Tokens, along_features, tokens
from processes.winners import Winners


@tokens.of(Winners)
def _(op: Winners, operands: Sequence[Axes]) -> Tokens:
    """A token's values race among themselves."""
    return along_features(op, operands)
