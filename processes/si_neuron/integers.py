"""SI-neurons in integers: fitted thresholds in the unit of the operand's potential."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.integers import FixedPosition, Integers, Setting, far_entries, integers
from processes.si_neuron import SiNeuron


@integers.of(SiNeuron)
def _(op: SiNeuron, at: FixedPosition, setting: Setting) -> Integers:
    """Round thresholds and resets to the unit of the operand's potential; the outputs stay real."""
    unit = at.operands[0].integer_unit
    factor = (op.unit / unit).reshape(-1, 1)
    fixed = replace(
        op,
        threshold=far_entries(op.threshold * factor),
        reset=far_entries(op.reset * factor),
        unit=np.broadcast_to(unit, np.broadcast_shapes(unit.shape, op.unit.shape)).copy(),
        state_bits=setting.chip.state_bits,
    )
    return Integers(fixed)
