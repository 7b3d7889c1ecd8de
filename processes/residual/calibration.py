"""Calibration of residual streams and centring: their potentials are in real units."""

from __future__ import annotations

import numpy as np

from processes.calibration import (
    NEW_SPIKES,
    NO_SPIKES,
    OF_CODES,
    Coding,
    Position,
    accepts,
    as_operand,
    feature_axis,
    features,
    folded,
    observed,
    picks,
    real_units,
    shared,
    unfolded,
    unit,
    used,
    weights,
    worth,
)
from processes.errors import DeployError
from processes.residual import Centre, Residual

for trait in (*OF_CODES, worth):
    trait.refuse(NO_SPIKES, Residual, Centre)
picks.refuse(NEW_SPIKES, Residual, Centre)
observed.always(None, Residual, Centre)
weights.always("none", Residual, Centre)
used.always(None, Residual, Centre)
feature_axis.always(-1, Residual, Centre)
accepts.always("any units", Residual)
accepts.always("binary units", Centre)
shared.always((), Residual, Centre)
unit.of(Residual, Centre)(real_units)
features.of(Centre)(as_operand)
folded.of(Centre)(unfolded)


@features.of(Residual)
def _(op: Residual, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Those of the first branch; of branches side by side, padded with zeros where the others are, each combination."""
    if sources[0].all():
        return sources[0]
    shape = np.broadcast_shapes(*(source.shape for source in sources))
    flat = np.stack([np.broadcast_to(source, shape).reshape(-1) for source in sources])
    _, numbers = np.unique(flat, axis=1, return_inverse=True)
    return (numbers.reshape(shape) + 1).astype(np.float64)


@folded.of(Residual)
def _(op: Residual, at: Position, coding: Coding) -> Residual:
    """As it is: its branches come through synapses, which are in real units."""
    if any(source.unit.max() != 1 for source in at.operands):
        raise DeployError(f"'{at.name}': a product of activations joins a residual stream directly")
    return op
