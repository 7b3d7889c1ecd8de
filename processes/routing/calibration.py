"""Calibration of routes: values keep their features, scales and units, which are routed like the values."""

from __future__ import annotations

import numpy as np
import torch

from processes import calibration
from processes.calibration import ASKED_BEHIND, KEEPS, OF_CODES
from processes.routing import Route, apply

for trait in OF_CODES:
    trait.refuse(KEEPS, Route)
calibration.used.refuse(ASKED_BEHIND, Route)
calibration.accepts.refuse(ASKED_BEHIND, Route)
calibration.feature_axis.always(-1, Route)
calibration.weights.always("none", Route)
calibration.observed.always(None, Route)
calibration.shared.always((), Route)
calibration.folded.of(Route)(calibration.unfolded)
calibration.worth.of(Route)(lambda op, at: routed(op, at.operands[0].scale))
calibration.unit.of(Route)(lambda op, at: routed(op, at.operands[0].unit))
calibration.picks.of(Route)(lambda op, values: apply(values, op.chain, 0))


@calibration.features.of(Route)
def _(op: Route, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """The features of the operand, routed; a part of a flat input has one feature per channel or column of its own."""
    if of_input and sources[0].ndim == 2 < len(op.shape):
        return calibration.numbered(op.shape, 1 if len(op.shape) == 4 else -1)
    return routed(op, sources[0])


def routed(op: Route, values: np.ndarray) -> np.ndarray:
    """Scales or units of broadcast shape behind a route; silent padding, 0 there, takes the value of its neighbours."""
    full = apply(torch.tensor(values).expand(op.source_shape), op.chain, 0).numpy()
    for axis in range(full.ndim):
        largest = full.max(axis, keepdims=True)
        if ((full == largest) | (full == 0)).all():
            full = largest
    return np.ascontiguousarray(full)
