"""Calibration of products: a potential's unit is the product of its operands' scales, equal along the summed axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes import calibration
from processes.calibration import EQUAL, NEW_SPIKES, NO_SPIKES, OF_CODES, Coding, Position, Round, Wanted
from processes.errors import DeployError
from processes.phase_code import side_by_side
from processes.trace_product import SquareSum, TraceProduct

for trait in (*OF_CODES, calibration.worth):
    trait.refuse(NO_SPIKES, TraceProduct, SquareSum)
calibration.picks.refuse(NEW_SPIKES, TraceProduct, SquareSum)
calibration.observed.always(None, TraceProduct, SquareSum)
calibration.weights.always("none", TraceProduct, SquareSum)
calibration.used.always(None, TraceProduct, SquareSum)
calibration.feature_axis.always(-1, TraceProduct, SquareSum)
calibration.accepts.always("any scales", TraceProduct)
calibration.accepts.always("octave scales", SquareSum)  # shares are shifted by a feature's exponent
calibration.shared.always((), SquareSum)
calibration.unit.of(SquareSum)(calibration.real_units)


@calibration.features.of(TraceProduct)
def _(op: TraceProduct, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Each pair of a row of a and a row (column) of b is a feature of its own."""
    a, b = sources[0], _rows(op, sources[1])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return calibration.all_numbered((*lead, a.shape[-2], b.shape[-2]))


@calibration.features.of(SquareSum)
def _(op: SquareSum, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """The sums of all rows are one feature."""
    return np.ones((1,) * len(op.shape))


@calibration.unit.of(TraceProduct)
def _(op: TraceProduct, at: Position) -> np.ndarray:
    """The product of the operands' scales, by row and column.

    Raises:
        DeployError: that product varies along the axis that is summed.
    """
    a, b = at.operands[0].scale, _rows(op, at.operands[1].scale)
    if a.shape[-2] == b.shape[-2] == 1:
        a, b = a * b, np.ones((1,) * a.ndim)
    if any(np.ptp(scale, axis=-1).max() > EQUAL * scale.max() for scale in (a, b)):
        raise DeployError(f"'{at.name}': the scales of its operands vary along the axis that is summed")
    return a.max(-1, keepdims=True) * b.max(-1, keepdims=True).swapaxes(-1, -2)


@calibration.shared.of(TraceProduct)
def _(op: TraceProduct, step: Round, at: Position, together: bool) -> Wanted:
    """Scales of the operands that make the unit of a product equal along the summed axis.

    Where only the features of one head meet (q k^T), ``together`` allows scales that vary along the head, as long as
    s_q,d s_k,d is the same for all d. Logits of a softmax are compared with each other, so those of a head have one
    unit even where they belong to features (attention between channels). In the round "followers" the first operand's
    scales rise where the second operand's, which other heads or products share, have been raised since; in the round
    "seconds" the second operand's rise where the first one's have been.
    """
    if step not in ("products", "followers", "seconds"):
        return ()
    a, b = at.operands[0].scale, _rows(op, at.operands[1].scale)
    columns_meet = a.shape[-2] == b.shape[-2] == 1
    if step != "products":
        if not columns_meet or np.ptp(a * b, axis=-1).max() <= EQUAL * (a * b).max():
            return ()
        most = (a * b).max(-1, keepdims=True)
        return (most / b, None) if step == "followers" else (None, _rows(op, most / a))
    if together and columns_meet and min(a.shape[-1], b.shape[-1]) > 1:
        factor = np.sqrt((a * b).max(-1, keepdims=True) / (a * b))
        a, b = a * factor, b * factor
    else:
        summed = (-2, -1) if at.compared else -1
        a, b = a.max(summed, keepdims=True), b.max(summed, keepdims=True)
    return a, _rows(op, b)


@calibration.folded.of(TraceProduct)
def _(op: TraceProduct, at: Position, coding: Coding) -> TraceProduct:
    """Set the traces to the levels of the operands' codes, and divide the bias by the unit of the product."""
    traces = side_by_side([operand.code.levels for operand in at.operands])
    return replace(op, traces=traces, bias=op.bias / at.unit)


@calibration.folded.of(SquareSum)
def _(op: SquareSum, at: Position, coding: Coding) -> SquareSum:
    """Set the trace to the levels of the operand's code, and the weights to its squared scales."""
    (source,) = at.operands
    return replace(op, trace=source.code.levels, weight=source.scale**2)


def _rows(op: TraceProduct, b: np.ndarray) -> np.ndarray:
    """An array of the second operand with the summed axis last, as it is in the first operand."""
    return b if op.transpose_b else b.swapaxes(-1, -2)
