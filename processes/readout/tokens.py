"""How readouts go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.readout import Readout
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(Readout)
def _(op: Readout, operands: Sequence[Axes]) -> Tokens:
    """Each output is independent of other tokens; units may differ by token."""
    return alone(op, operands, "unit")
