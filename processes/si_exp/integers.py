"""SI-exp in integers: thresholds in the unit of the logits, outputs such that twice a row's sum fits a potential."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from processes.chips import Chip
from processes.integers import FixedPosition, Integers, Setting, far_entries, finer, integers
from processes.si_exp import SiExp


@integers.of(SiExp)
def _(op: SiExp, at: FixedPosition, setting: Setting) -> Integers:
    """Round thresholds, resets and clock to the unit of the logits, and the outputs to integers."""
    factor = finer(at)
    output, unit = integer_output(op, setting.chip)
    fixed = replace(
        op,
        threshold=far_entries(op.threshold * factor),
        reset=far_entries(op.reset * factor),
        clock=None if op.clock is None else far_entries(op.clock * factor),
        half=None if op.half is None else far_entries(op.half * factor[:, 0]),
        output=output,
        unit=unit,
        state_bits=setting.chip.state_bits,
    )
    return Integers(fixed)


def integer_output(op: SiExp, chip: Chip) -> tuple[np.ndarray, float]:
    """``output`` as int32 (phases, K - J), and the real value of 1 of it, a power of two.

    The power is chosen such that twice the sum of a row's exponentials fits the width of a potential.
    """
    largest = op.shape[-1] * max(1.0, float(np.abs(op.output).sum(1).max()))
    bits = min(chip.exponential_bits, chip.state_bits - 2 - math.ceil(math.log2(largest)))
    return np.rint(op.output * 2.0**bits).astype(np.int32), 2.0**-bits
