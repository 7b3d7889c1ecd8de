"""Lowering with SI-neurons: of the functions that they compute, only ReLU is never negative."""

from __future__ import annotations

import torch

from processes.lowering import Signs, everywhere, multiplies, never_negative, nowhere
from processes.si_neuron import SiNeuron

multiplies.always(False, SiNeuron)


@never_negative.of(SiNeuron)
def _(op: SiNeuron, signs: Signs) -> torch.Tensor:
    """True everywhere for relu, False everywhere for any other function."""
    return everywhere(op, signs) if op.function == "relu" else nowhere(op, signs)
