"""How fitted neurons go on with later tokens."""

from __future__ import annotations

from collections.abc import Sequence

from processes.si_neuron import SiNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(SiNeuron)
def _(op: SiNeuron, operands: Sequence[Axes]) -> Tokens:
    """Each neuron is independent of other tokens; its unit may not differ from token to token."""
    return alone(op, operands, still=(op.unit,))
