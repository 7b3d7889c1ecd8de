"""Lowering with dynamic thresholds: a division by a positive sum keeps the dividend's signs."""

from __future__ import annotations

from processes.dynamic_threshold import DynamicThreshold
from processes.lowering import as_the_first, multiplies, never_negative

multiplies.always(False, DynamicThreshold)
never_negative.of(DynamicThreshold)(as_the_first)
