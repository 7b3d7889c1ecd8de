"""Calibration of max pooling: it passes spikes on, so that the operand needs one scale for all values of a field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from processes import calibration
from processes.calibration import KEEPS, OF_CODES, Coding, Position, Round, Wanted
from processes.errors import DeployError
from processes.max_pool import MaxPool
from processes.phase_code import PhaseCode

for trait in OF_CODES:
    trait.refuse(KEEPS, MaxPool)
calibration.feature_axis.always(1, MaxPool)
calibration.weights.always("none", MaxPool)
calibration.accepts.always("any scales", MaxPool)
calibration.observed.always(None, MaxPool)
calibration.unit.of(MaxPool)(calibration.real_units)
calibration.used.always(None, MaxPool)


@calibration.features.of(MaxPool)
def _(op: MaxPool, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """The operand's features; values that share a field are one feature."""
    return sources[0].max(op.pooled, keepdims=True)


@calibration.worth.of(MaxPool)
def _(op: MaxPool, at: Position) -> np.ndarray:
    """The scale of the operand, one for each field: spikes keep their worth."""
    return at.operands[0].scale.max(op.pooled, keepdims=True)


@calibration.picks.of(MaxPool)
def _(op: MaxPool, values: torch.Tensor) -> torch.Tensor:
    """The largest of these numbers in each field."""
    return op.fields(values)


@calibration.shared.of(MaxPool)
def _(op: MaxPool, step: Round, at: Position, together: bool) -> Wanted:
    """One scale for each field, its largest, so that the earlier spike has the larger value."""
    return (at.operands[0].scale.max(op.pooled, keepdims=True),) if step == "fields" else ()


@calibration.folded.of(MaxPool)
def _(op: MaxPool, at: Position, coding: Coding) -> MaxPool:
    """Set the code and the scale to those of the operand.

    Raises:
        DeployError: scales of the operand differ within a field.
    """
    (source,) = at.operands
    passed = source.code
    assert isinstance(passed, PhaseCode)
    if (source.scale != at.scale).any():
        raise DeployError(f"'{at.name}': scales of its operand differ within a field")
    return replace(op, scale=at.scale, base=passed.base, steps=passed.steps, spikes=source.spikes)
