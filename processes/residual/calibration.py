"""Calibration of residual streams and centring, whose potentials are in real units until discretisation."""

from __future__ import annotations

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, NO_SPIKES, OF_CODES, Coding, Position
from processes.errors import DeployError
from processes.residual import Centre, Residual

for trait in (*OF_CODES, calibration.worth):
    trait.refuse(NO_SPIKES, Residual, Centre)
calibration.picks.refuse(NEW_SPIKES, Residual, Centre)
calibration.observed.always(None, Residual, Centre)
calibration.weights.always("none", Residual, Centre)
calibration.used.always(None, Residual, Centre)
calibration.feature_axis.always(-1, Residual, Centre)
calibration.accepts.always("any units", Residual)
calibration.accepts.always("binary units", Centre)
calibration.shared.always((), Residual, Centre)
calibration.unit.of(Residual, Centre)(calibration.real_units)
calibration.features.of(Centre)(calibration.as_operand)
calibration.folded.of(Centre)(calibration.unfolded)


@calibration.features.of(Residual)
def _(op: Residual, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """The features of the first branch, unless it is padded with zeros (label 0), as the parts of a concatenation are.

    Then each combination of the branches' labels is a feature.
    """
    if sources[0].all():
        return sources[0]
    shape = np.broadcast_shapes(*(source.shape for source in sources))
    flat = np.stack([np.broadcast_to(source, shape).reshape(-1) for source in sources])
    _, numbers = np.unique(flat, axis=1, return_inverse=True)
    return (numbers.reshape(shape) + 1).astype(np.float64)


@calibration.folded.of(Residual)
def _(op: Residual, at: Position, coding: Coding) -> Residual:
    """Unchanged, as its branches come through synapses, whose potentials are in real units.

    Raises:
        DeployError: the unit of a branch is not 1, as that of a product of activations.
    """
    if any(not np.isin(source.unit, (0, 1)).all() for source in at.operands):  # 0 is that of padding
        raise DeployError(f"'{at.name}': a product of activations joins a residual stream directly")
    return op
