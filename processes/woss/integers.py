"""WOSS in integers: its ramp and thresholds in the integer unit of the logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.integers import FixedPosition, Integers, Setting, entries, finer, integers
from processes.thresholds import NEVER
from processes.woss import Woss


@integers.of(Woss)
def _(op: Woss, at: FixedPosition, setting: Setting) -> Integers:
    """The operation with ramp, race and further thresholds in the logits' integer unit by head, rounded to int32."""
    factor = finer(at)
    fixed = replace(
        op,
        ramp=np.minimum(np.rint(op.ramp * factor), NEVER).astype(np.int32),
        race=None if op.race is None else entries(op.race * factor),
        after=None if op.after is None else entries(op.after * factor[..., None, None]),
        state_bits=setting.chip.state_bits,
    )
    return Integers(fixed)
