"""Lowering with the readout, which hands on what it hears."""

from __future__ import annotations

from processes.lowering import as_the_first, multiplies, never_negative
from processes.readout import Readout

multiplies.always(False, Readout)
never_negative.of(Readout)(as_the_first)
