"""Lowering with SI-norm: shares of a row are never negative."""

from __future__ import annotations

from processes.lowering import everywhere, multiplies, never_negative
from processes.si_norm import SiNorm

multiplies.always(False, SiNorm)
never_negative.of(SiNorm)(everywhere)
