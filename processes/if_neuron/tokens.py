"""Later tokens of integrate-and-fire neurons."""

from __future__ import annotations

from collections.abc import Sequence

from processes.if_neuron import IfNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(IfNeuron)
def _(op: IfNeuron, operands: Sequence[Axes]) -> Tokens:
    """Every neuron for itself."""
    return alone(op, operands)
