"""Lowering with k winners: 1 and 0 are never negative."""

from __future__ import annotations

from processes.lowering import everywhere, multiplies, never_negative
from processes.winners import Winners

multiplies.always(False, Winners)
never_negative.of(Winners)(everywhere)
