"""Invariants of residual streams and of centring."""

from __future__ import annotations

from processes.invariants import (
    LARGEST_WEIGHT,
    WIDEST,
    Complaints,
    Shape,
    fits,
    has_shape,
    invariants,
    reads,
    real_in_fixed_point,
    within,
)
from processes.residual import Centre, Residual

reads.always("potentials", Residual, Centre)
real_in_fixed_point.always(frozenset({"weights"}), Residual)
real_in_fixed_point.always(frozenset(), Centre)


@invariants.of(Residual)
def _(op: Residual, shapes: list[Shape], steps: list[int]) -> Complaints:
    """All branches have the output's shape; in fixed point each has a mantissa and a shift within their widths."""
    for shape in shapes:
        yield from has_shape(op, shape)
    yield from fits("bias", op.bias, op.shape)
    if op.weights is not None:
        if len(op.weights) != len(shapes):
            yield f"weights of {len(op.weights)} operands, it has {len(shapes)}"
            return
        yield from fits("weights", op.weights[0], op.shape)
    if op.state_bits:
        for field, value, reach in (("mantissas", op.mantissas, LARGEST_WEIGHT), ("shifts", op.shifts, WIDEST)):
            if value is None or len(value) != len(shapes):
                yield f"{field} of {0 if value is None else len(value)} operands, it has {len(shapes)}"
                return
            yield from fits(field, value[0], op.shape)
            yield from within(field, value, -reach, reach)


@invariants.of(Centre)
def _(op: Centre, shapes: list[Shape], steps: list[int]) -> Complaints:
    """The output has the shape of the operand."""
    yield from has_shape(op, shapes[0])
