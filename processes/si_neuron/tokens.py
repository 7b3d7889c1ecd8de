"""Later tokens of fitted neurons."""

from __future__ import annotations

from collections.abc import Sequence

from processes.si_neuron import SiNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(SiNeuron)
def _(op: SiNeuron, operands: Sequence[Axes]) -> Tokens:
    """Every neuron for itself."""
    return alone(op, operands, still=(op.unit,))
