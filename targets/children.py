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
"""PR_SET_PDEATHSIG of Linux's prctl: the signal that a process receives when its parent dies."""


def follow(parent: int) -> None:
    """Make the calling child process die with its ``parent`` process (Linux only), and leave Ctrl-C to the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before we asked to follow it
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def pool(number: int) -> ProcessPoolExecutor:
    """Make a pool of up to ``number`` processes that die with this one; each starts when work is submitted."""
    name_semaphores()
    spawn = multiprocessing.get_context("spawn")  # PyTorch's and numba's threads do not survive a fork
    return ProcessPoolExecutor(number, spawn, follow, (os.getpid(),))


@contextlib.contextmanager
def workers(number: int) -> Iterator[ProcessPoolExecutor]:
    """Give the ``with`` block a :func:`pool` of worker processes, which end with the block.

    Where the block raises, the workers are killed, whatever they are doing.
    """
    executor, whole = pool(number), False
    try:
        yield executor
        whole = True
    finally:
        if not whole:
            for process in list((executor._processes or {}).values()):
                process.kill()  # nobody will read the results of their unfinished work
        executor.shutdown(wait=True, cancel_futures=True)  # a regular exit releases the semaphores of their libraries
