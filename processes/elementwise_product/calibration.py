"""Calibration of elementwise products: a potential's unit is the product of its two operands' scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import NEW_SPIKES, NO_SPIKES, OF_CODES, Coding, Position
from processes.elementwise_product import ElementwiseProduct
from processes.phase_code import side_by_side

for trait in (*OF_CODES, calibration.worth):
    trait.refuse(NO_SPIKES, ElementwiseProduct)
calibration.picks.refuse(NEW_SPIKES, ElementwiseProduct)
calibration.observed.always(None, ElementwiseProduct)
calibration.weights.always("none", ElementwiseProduct)
calibration.used.always(None, ElementwiseProduct)
calibration.feature_axis.always(-1, ElementwiseProduct)
calibration.accepts.always("any scales", ElementwiseProduct)
calibration.shared.always((), ElementwiseProduct)


@calibration.features.of(ElementwiseProduct)
def _(op: ElementwiseProduct, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Each value of the operands' broadcast features is a feature of its own."""
    return calibration.all_numbered(np.broadcast_shapes(*(source.shape for source in sources)))


@calibration.unit.of(ElementwiseProduct)
def _(op: ElementwiseProduct, at: Position) -> np.ndarray:
    """The product of the operands' scales, broadcast shape."""
    left, right = (operand.scale for operand in at.operands)
    return left * right


@calibration.folded.of(ElementwiseProduct)
def _(op: ElementwiseProduct, at: Position, coding: Coding) -> ElementwiseProduct:
    """Set the traces to the levels of the operands' codes."""
    return replace(op, traces=side_by_side([operand.code.levels for operand in at.operands]))
