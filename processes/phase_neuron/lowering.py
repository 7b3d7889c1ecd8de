"""Lowering with phase neurons: some activations are never negative, whatever their potential."""

from __future__ import annotations

import torch

from processes.lowering import Signs, multiplies, never_negative
from processes.phase_neuron import PhaseNeuron

ABOVE = {"relu", "sigmoid", "hardsigmoid", "exp", "softplus", "sqrt"}
"""Activations that are never negative, whatever their potential."""

multiplies.always(False, PhaseNeuron)


@never_negative.of(PhaseNeuron)
def _(op: PhaseNeuron, signs: Signs) -> torch.Tensor:
    """Where the operand is never negative for the identity; everywhere or nowhere by any other function's range."""
    function = op.schedule.function
    if function == "identity":
        return signs(0)
    return torch.full(op.shape, never_below_zero(function), dtype=torch.bool)


def never_below_zero(function: str) -> bool:
    """Whether an activation other than the identity is never negative."""
    name, _, numbers = function.partition(":")
    first = [float(number) for number in numbers.split(",")[:3]] if name in ("clamp", "pieces", "power") else []
    if name == "power":
        return first[0] % 2 != 1
    if name == "pieces":  # level up to the first knot, from where on none of them falls
        return first[0] == 0 and first[2] >= 0
    return name in ABOVE or (name == "clamp" and first[0] >= 0)
