"""Lowering with synapses: weights that are never negative keep signs."""

from __future__ import annotations

import numpy as np
import torch

from processes.lowering import Signs, everywhere, multiplies, never_negative, nowhere
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

multiplies.always(False, DenseSynapse, ConvSynapse, ScaleSynapse)


@never_negative.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, signs: Signs) -> torch.Tensor:
    """Everywhere if no weight, bias or input is ever negative, else nowhere."""
    kept = bool((op.weight >= 0).all()) and bool((op.bias >= 0).all()) and bool(signs(0).all())
    return everywhere(op, signs) if kept else nowhere(op, signs)


@never_negative.of(ScaleSynapse)
def _(op: ScaleSynapse, signs: Signs) -> torch.Tensor:
    """Where no summed input, none of its weights and no bias is ever negative."""
    kept = signs(0) & torch.from_numpy(np.broadcast_to(op.weight >= 0, signs(0).shape).copy())
    for axis in op.pool:
        kept = kept.all(axis, keepdim=True)
    return kept & torch.as_tensor(op.bias >= 0)
