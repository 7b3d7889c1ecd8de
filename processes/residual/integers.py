"""Residual streams in integers: one unit for all features, to which each branch is scaled by a mantissa and a shift."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.fixed import to_mantissa
from processes.integers import FixedPosition, Integers, Setting, integers
from processes.residual import Centre, Residual
from processes.spikes import foldable


@integers.of(Residual)
def _(op: Residual, at: FixedPosition, setting: Setting) -> Integers:
    """Choose a power of two as unit, with headroom for the sum and every branch, and the factors that scale to it."""
    chip = setting.chip
    peak = max(float(found.max()) for found in (at.peak, *(o.peak for o in at.operands)) if found is not None)
    # a stream that is always 0 on the calibration set, as behind a norm whose gain is initialised to 0, takes any unit
    exponent = math.ceil(math.log2((peak or 1.0) * chip.trace_headroom / chip.state_limit)) + setting.coarser
    # a branch of a concatenation is silent at the others' places, where its routed unit is 0: any unit will do
    units = [np.where(o.integer_unit > 0, o.integer_unit, 2.0**exponent) for o in at.operands]
    shape = np.broadcast_shapes(*(unit.shape for unit in units))
    factors = np.stack([np.broadcast_to(unit, shape) for unit in units]) / 2.0**exponent
    factors = factors if op.weights is None else factors * op.weights
    factors = np.broadcast_to(factors, (len(units), *foldable(op.shape, factors.shape[1:])))
    factors = np.where(np.abs(factors) * chip.state_limit < 1, 0.0, factors)  # no potential times this factor reaches 1
    factor = to_mantissa(factors, chip.weight_bits, axis=tuple(range(factors.ndim)))
    fixed = replace(
        op,
        mantissas=factor.mantissa,
        shifts=-factor.exponent,
        bias=np.rint(op.bias / 2.0**exponent).astype(np.int32),
        state_bits=chip.state_bits,
    )
    return Integers(fixed, np.full((1,) * len(op.shape), 2.0**exponent))


@integers.of(Centre)
def _(op: Centre, at: FixedPosition, setting: Setting) -> Integers:
    """Set the width of c; its unit is that of the operand."""
    return Integers(replace(op, state_bits=setting.chip.state_bits), at.operands[0].integer_unit)
