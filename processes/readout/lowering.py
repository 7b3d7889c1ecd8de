"""Lowering with the readout, whose values have the signs of its operand's."""

from __future__ import annotations

from processes.lowering import as_the_first, multiplies, never_negative
from processes.readout import Readout

multiplies.always(False, Readout)
never_negative.of(Readout)(as_the_first)
