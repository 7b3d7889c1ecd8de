"""k winners in integers: unchanged, as spikes are the same in any arithmetic."""

from __future__ import annotations

from processes.integers import Integers, integers
from processes.winners import Winners

integers.of(Winners)(lambda op, at, setting: Integers(op))
