"""Later tokens of residual streams."""

from __future__ import annotations

from collections.abc import Sequence

from processes.residual import Centre, Residual
from processes.tokens import Axes, Tokens, alone, along_features, tokens


@tokens.of(Residual)
def _(op: Residual, operands: Sequence[Axes]) -> Tokens:
    """Every neuron for itself, with weights and biases of its token, as positions have."""
    return alone(op, operands, "bias", "weights", "mantissas", "shifts")


@tokens.of(Centre)
def _(op: Centre, operands: Sequence[Axes]) -> Tokens:
    """A mean over features."""
    return along_features(op, operands)
