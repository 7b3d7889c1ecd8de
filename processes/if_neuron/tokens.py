"""How integrate-and-fire neurons go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.if_neuron import IfNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(IfNeuron)
def _(op: IfNeuron, operands: Sequence[Axes]) -> Tokens:
    """Each neuron is independent of other tokens."""
    return alone(op, operands)
