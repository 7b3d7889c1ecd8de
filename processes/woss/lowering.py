"""Lowering with WOSS: weights of a softmax are never negative."""

from __future__ import annotations

from processes.lowering import everywhere, multiplies, never_negative
from processes.woss import Woss

multiplies.always(False, Woss)
never_negative.of(Woss)(everywhere)
