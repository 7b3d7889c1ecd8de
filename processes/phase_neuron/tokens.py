"""How phase neurons go on with later tokens (:mod:`processes.tokens`)."""

from __future__ import annotations

from collections.abc import Sequence

from processes.phase_neuron import PhaseNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(PhaseNeuron)
def _(op: PhaseNeuron, operands: Sequence[Axes]) -> Tokens:
    """Each neuron codes its own value alone; scales and last steps may not differ from token to token."""
    return alone(op, operands, still=(op.scale, op.latest))
