"""Later tokens of readouts."""

from __future__ import annotations

from collections.abc import Sequence

from processes.readout import Readout
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(Readout)
def _(op: Readout, operands: Sequence[Axes]) -> Tokens:
    """Every output for itself."""
    return alone(op, operands, "unit")
