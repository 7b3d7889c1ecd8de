"""The readout in integers: it passes potentials on, which the host multiplies by their unit."""

from __future__ import annotations

from dataclasses import replace

from processes.integers import FixedPosition, Integers, Setting, integers
from processes.readout import Readout


@integers.of(Readout)
def _(op: Readout, at: FixedPosition, setting: Setting) -> Integers:
    """Set the unit to that of the operand's potential, and the width of the potentials."""
    heard = at.operands[0].integer_unit
    return Integers(replace(op, unit=heard, state_bits=setting.chip.state_bits), heard)
