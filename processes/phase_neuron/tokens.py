"""Later tokens of phase neurons."""

from __future__ import annotations

from collections.abc import Sequence

from processes.phase_neuron import PhaseNeuron
from processes.tokens import Axes, Tokens, alone, tokens


@tokens.of(PhaseNeuron)
def _(op: PhaseNeuron, operands: Sequence[Axes]) -> Tokens:
    """Every neuron for itself."""
    return alone(op, operands, still=(op.scale, op.latest))
