"""Child processes that do not outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

DEATH_SIGNAL = 1
"""prctl's PR_SET_PDEATHSIG."""


def follow(parent: int) -> None:
    """Called in a child: die when process ``parent`` dies, however it does, and leave Ctrl-C to it (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before we asked to follow it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
