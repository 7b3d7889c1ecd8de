"""The readout in integers: it hands on potentials, and the host turns them into real numbers."""

from __future__ import annotations

from dataclasses import replace

from processes.integers import FixedPosition, Integers, Setting, integers
from processes.readout import Readout


@integers.of(Readout)
def _(op: Readout, at: FixedPosition, setting: Setting) -> Integers:
    """In the unit of what it hears."""
    heard = at.operands[0].integer_unit
    return Integers(replace(op, unit=heard, state_bits=setting.chip.state_bits), heard)
