"""Calibration of elementwise products: scales of both operands stay in the unit of the potential, neuron by neuron."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.calibration import (
    NEW_SPIKES,
    NO_SPIKES,
    OF_CODES,
    Coding,
    Position,
    accepts,
    all_numbered,
    feature_axis,
    features,
    folded,
    observed,
    picks,
    shared,
    unit,
    used,
    weights,
    worth,
)
from processes.elementwise_product import ElementwiseProduct

for trait in (*OF_CODES, worth):
    trait.refuse(NO_SPIKES, ElementwiseProduct)
picks.refuse(NEW_SPIKES, ElementwiseProduct)
observed.always(None, ElementwiseProduct)
weights.always("none", ElementwiseProduct)
used.always(None, ElementwiseProduct)
feature_axis.always(-1, ElementwiseProduct)
accepts.always("any scales", ElementwiseProduct)
shared.always((), ElementwiseProduct)


@features.of(ElementwiseProduct)
def _(op: ElementwiseProduct, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """One for each pair of features that meet."""
    return all_numbered(np.broadcast_shapes(*(source.shape for source in sources)))


@unit.of(ElementwiseProduct)
def _(op: ElementwiseProduct, at: Position) -> np.ndarray:
    """The product of the scales."""
    left, right = (operand.scale for operand in at.operands)
    return left * right


@folded.of(ElementwiseProduct)
def _(op: ElementwiseProduct, at: Position, coding: Coding) -> ElementwiseProduct:
    """A trace for each operand's code."""
    return replace(op, traces=np.stack([operand.code.levels for operand in at.operands]))
