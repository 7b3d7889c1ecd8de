"""Max pooling in integers: unchanged, as spikes are the same in any arithmetic."""

from __future__ import annotations

from processes.integers import Integers, integers
from processes.max_pool import MaxPool

integers.of(MaxPool)(lambda op, at, setting: Integers(op))
