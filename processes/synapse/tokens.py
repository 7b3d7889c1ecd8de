"""How synapses go on with later tokens (:mod:`processes.tokens`)."""

from __future__ import annotations

from collections.abc import Sequence

from processes.errors import DeployError
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from processes.tokens import Axes, Tokens, alone, along_features, tokens

tokens.refuse("its kernel reaches over tokens that are still to come", ConvSynapse)


@tokens.of(DenseSynapse)
def _(op: DenseSynapse, operands: Sequence[Axes]) -> Tokens:
    """Each token sums over its own features."""
    return along_features(op, operands)


@tokens.of(ScaleSynapse)
def _(op: ScaleSynapse, operands: Sequence[Axes]) -> Tokens:
    """Every value for itself, with weights, bias and unit of its token; or a sum over a token's own features."""
    axes = {axis - len(op.shape) for axis in op.pool}
    if axes & {operands[0].rows, operands[0].columns}:
        raise DeployError("it takes a mean over tokens")
    return alone(op, operands, "weight", "bias", "unit")
