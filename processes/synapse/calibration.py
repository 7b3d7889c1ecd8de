"""Calibration of synapses: the scales of arriving spikes fold into the weights that these spikes meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, NO_SPIKES, OF_CODES, Coding, Position, Round, Wanted
from processes.deferred import multiplied
from processes.errors import DeployError
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

for trait in (*OF_CODES, calibration.worth):
    trait.refuse(NO_SPIKES, DenseSynapse, ConvSynapse, ScaleSynapse)
calibration.picks.refuse(NEW_SPIKES, DenseSynapse, ConvSynapse, ScaleSynapse)
calibration.observed.always(None, DenseSynapse, ConvSynapse, ScaleSynapse)
calibration.unit.of(DenseSynapse, ConvSynapse, ScaleSynapse)(calibration.real_units)
calibration.accepts.always("any scales", DenseSynapse, ConvSynapse, ScaleSynapse)
calibration.weights.always("shared", DenseSynapse, ConvSynapse)
calibration.weights.always("own", ScaleSynapse)
calibration.feature_axis.always(-1, DenseSynapse, ScaleSynapse)
calibration.feature_axis.always(1, ConvSynapse)


@calibration.features.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """One feature for each output row of the weights."""
    return calibration.numbered(op.shape, calibration.feature_axis(op))


@calibration.features.of(ScaleSynapse)
def _(op: ScaleSynapse, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Features of the operand; pooled ones become one."""
    return sources[0].max(op.pool, keepdims=True) if op.pool else sources[0]


@calibration.shared.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, step: Round, at: Position, together: bool) -> Wanted:
    """All tokens or pixels share the weights, so input scales may vary along the feature axis alone."""
    if step != "weights":
        return ()
    scale = at.operands[0].scale
    largest = _by_feature(op, scale)
    return () if (scale == largest).all() else (largest,)


def _by_feature(op: DenseSynapse | ConvSynapse, scale: np.ndarray) -> np.ndarray:
    """The largest of input scales, in broadcast shape, along every axis but that of features."""
    axis = calibration.feature_axis(op) % scale.ndim
    return scale.max(tuple(a for a in range(scale.ndim) if a != axis), keepdims=True)


@calibration.shared.of(ScaleSynapse)
def _(op: ScaleSynapse, step: Round, at: Position, together: bool) -> Wanted:
    """One scale for all values that are summed over ``pool``."""
    return (at.operands[0].scale.max(op.pool, keepdims=True),) if step == "weights" and op.pool else ()


@calibration.used.of(DenseSynapse)
def _(op: DenseSynapse, scale: np.ndarray) -> np.ndarray:
    """The largest share that each input's weights have of their row's largest weight, (in,)."""
    return _largest_shares(columns(op, scale), 1)


@calibration.used.of(ConvSynapse)
def _(op: ConvSynapse, scale: np.ndarray) -> np.ndarray:
    """The largest share that each input channel's weights have of their row's largest weight, (in, 1, 1)."""
    return _largest_shares(columns(op, scale), op.groups)[:, None, None]


calibration.used.of(ScaleSynapse)(lambda op, scale: np.zeros(1))  # each weight is the only one of its row


def _largest_shares(weight: np.ndarray, groups: int) -> np.ndarray:
    """The largest share that each input channel's weights have of their row's largest weight, (channels,)."""
    weight = np.abs(weight)
    weight = weight.reshape(len(weight), weight.shape[1], -1).max(2)
    relative = weight / np.maximum(weight.max(1, keepdims=True), 1e-30)
    return relative.reshape(groups, -1, relative.shape[1]).max(1).reshape(-1)


@calibration.folded.of(DenseSynapse, ConvSynapse)
def _(op: DenseSynapse | ConvSynapse, at: Position, coding: Coding) -> DenseSynapse | ConvSynapse:
    """The synapse with each weight column times the scale of its input, in float32, and the source's levels as trace.

    Raises:
        DeployError: the input's scale varies along more than the feature axis.
    """
    (source,) = at.operands
    if (source.scale != _by_feature(op, source.scale)).any():
        raise DeployError(f"'{at.name}': the scale of its input varies along more than one axis")
    return replace(op, trace=source.code.levels, weight=multiplied(op.weight, _by_column(op, source.scale), np.float32))


@calibration.folded.of(ScaleSynapse)
def _(op: ScaleSynapse, at: Position, coding: Coding) -> ScaleSynapse:
    """The synapse with weights times input scales, and the source's levels as trace; equal pooled weights merge."""
    (source,) = at.operands
    weight = op.weight * source.scale
    for axis in op.pool:
        if (weight == weight.take([0], axis)).all():
            weight = weight.take([0], axis)
    return replace(op, trace=source.code.levels, weight=weight)


def columns(op: DenseSynapse | ConvSynapse, scale: np.ndarray) -> np.ndarray:
    """Weights times the scale of their input channel, of the weights' shape."""
    return op.weight * _by_column(op, scale)


def _by_column(op: DenseSynapse | ConvSynapse, scale: np.ndarray) -> np.ndarray:
    """Scales of input channels as factors that broadcast over the weights; each group takes its own channels'."""
    scale = _by_feature(op, scale).reshape(-1)
    if isinstance(op, DenseSynapse):
        return scale
    rows, per_group = op.weight.shape[:2]
    scale = np.broadcast_to(scale, per_group * op.groups)
    first = np.repeat(np.arange(op.groups), rows // op.groups)[:, None] * per_group
    return scale[first + np.arange(per_group)][:, :, None, None]
