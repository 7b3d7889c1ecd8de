"""Formulas of thresholds that depend on what a neuron has already sent: for steppers and compiled loops alike.

Both take numbers or arrays, real or int64 with a shift; a shift of None means real numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from processes.fixed import shift_toward_zero

NEVER = np.iinfo(np.int32).max  # a threshold that no potential reaches
ALWAYS = np.iinfo(np.int32).min

register_jitable(shift_toward_zero)


@register_jitable
def scaled_entry(entry: Any, factor: Any, shift: Any) -> Any:
    """Threshold of a neuron from an entry of a table that many share: entry / factor, factor its unit of potential.

    In integers (entry * factor) >> shift toward zero, but for NEVER and ALWAYS, which stay what they are.
    """
    if shift is None:
        return entry / factor
    endless = (entry >= NEVER) | (entry <= ALWAYS)
    return entry * endless + shift_toward_zero(entry * factor, shift) * (endless == 0)


@register_jitable
def level_entry(level: Any, squared: Any, gain: Any, shift: Any) -> Any:
    """What a divider's factor is multiplied by at a level of the code: gain * level, or gain * level^2, >> shift."""
    power = level * level if squared else level
    return power * gain if shift is None else (power * gain) >> shift
