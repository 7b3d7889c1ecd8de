"""Formulas of thresholds that depend on what a neuron has already sent: for steppers and compiled loops alike.

Both functions take numbers or arrays, real or int64 with a shift; a shift of None means real numbers.
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
    """Threshold of a neuron from an entry of a shared table: entry / factor, the factor being its unit of potential.

    In integers it is (entry * factor) >> shift, rounded toward zero; NEVER and ALWAYS stay what they are.
    """
    if shift is None:
        return entry / factor
    endless = (entry >= NEVER) | (entry <= ALWAYS)
    return entry * endless + shift_toward_zero(entry * factor, shift) * (endless == 0)


@register_jitable
def level_entry(level: Any, squared: Any, gain: Any, shift: Any) -> Any:
    """Table entry of a dividing neuron at a level of its code: gain * level, or gain * level^2 if ``squared``.

    In integers the entry is shifted right by ``shift``. The threshold is the entry times the row's factor.
    """
    power = level * level if squared else level
    return power * gain if shift is None else (power * gain) >> shift
