"""Products in integers: traces are as fine as the potential's width allows on the calibration set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.integers import FixedPosition, Integers, Setting, integers
from processes.phase_code import side_by_side
from processes.trace_product import SquareSum, TraceProduct

FAR = 12  # largest right shift of a share without a second word: shares of 22 bits then keep 10


@integers.of(TraceProduct)
def _(op: TraceProduct, at: FixedPosition, setting: Setting) -> Integers:
    """Round the traces, which begin at the same value for both operands, and the bias to the unit of the potential."""
    assert at.peak is not None
    left, right = at.operands
    first = setting.product_trace(max(float(at.peak.max()), float(np.abs(op.bias).max(initial=0.0))))
    fixed = replace(
        op,
        traces=side_by_side([operand.code.trace_from(first) for operand in (left, right)]),
        bias=np.rint(op.bias * first**2).astype(np.int32),
        delay=right.window.start - left.window.start,
        state_bits=setting.chip.state_bits,
    )
    return Integers(fixed, at.unit / first**2, first)


@integers.of(SquareSum)
def _(op: SquareSum, at: FixedPosition, setting: Setting) -> Integers:
    """Round the trace, and turn scales into right shifts of shares; shifts above ``FAR`` need a second word."""
    assert at.peak is not None
    (source,) = at.operands
    scale = source.scale
    exponents = np.rint(np.log2(scale)).astype(np.int32)
    shift = 2 * (exponents.max() - exponents)
    first = setting.product_trace(float(at.peak.max()) / float(scale.max()) ** 2)
    fixed = replace(
        op,
        trace=source.code.trace_from(first),
        weight=None,
        shift=shift,
        fraction_bits=setting.chip.state_bits if shift.max() > FAR else 0,
        state_bits=setting.chip.state_bits,
    )
    return Integers(fixed, np.full((1,) * len(op.shape), (scale.max() / first) ** 2))
