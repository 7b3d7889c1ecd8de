"""Child processes that do not outlive their parent."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from processes.leftovers import name_semaphores

DEATH_SIGNAL = 1
"""prctl's PR_SET_PDEATHSIG."""


def follow(parent: int) -> None:
    """Called in a child: die when process ``parent`` dies, however it does, and leave Ctrl-C to it (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before we asked to follow it
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def pool(number: int) -> ProcessPoolExecutor:
    """Processes that die with this one; each starts when there is something to do."""
    name_semaphores()
    spawn = multiprocessing.get_context("spawn")  # PyTorch's and numba's threads do not survive a fork
    return ProcessPoolExecutor(number, spawn, follow, (os.getpid(),))


@contextlib.contextmanager
def workers(number: int) -> Iterator[ProcessPoolExecutor]:
    """The same, for a block, whose end they do not outlive; where it raises, whatever they are doing."""
    executor, whole = pool(number), False
    try:
        yield executor
        whole = True
    finally:
        if not whole:
            for process in list((executor._processes or {}).values()):
                process.kill()  # what they still do is nobody's any more
        executor.shutdown(wait=True, cancel_futures=True)  # unkilled, they take back semaphores of their libraries
