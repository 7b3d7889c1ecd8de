"""How rate neurons go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.rate_neuron import RateNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(RateNeuron)
def _(op: RateNeuron, operands: Sequence[Axes]) -> Tokens:
    """Each neuron is independent of other tokens."""
    return alone(op, operands)
