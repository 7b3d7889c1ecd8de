"""Lowering with SI-exp: exponentials are never negative."""

from __future__ import annotations

from processes.lowering import everywhere, multiplies, never_negative
from processes.si_exp import SiExp

multiplies.always(False, SiExp)
never_negative.of(SiExp)(everywhere)
