"""When freed memory is kept for later arrays, and when it is handed back to the operating system."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache

NODES = 32
"""A pass over a network hands memory back after so many nodes, as each makes and drops arrays of its own sizes."""
KEPT, ARRAYS = 2**29, 2**25
"""Bytes that are kept once freed, and bytes from which an array has pages of its own, which are never kept."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
_OWN_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@cache
def keep_freed() -> None:
    """Let the GNU C library keep freed memory for later requests, up to ``KEPT``; elsewhere do nothing.

    A network is evaluated by arrays of the same sizes, batch after batch. By itself the library hands most of them back,
    and the system clears all their pages anew, which can take a third of the time of an evaluation. Whoever has set
    MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ in the environment has chosen already, and is not overruled.
    """
    set_option = _gnu("mallopt")
    if set_option is not None and not any(name in os.environ for name in _OWN_CHOICE):
        set_option(_MMAP_THRESHOLD, ARRAYS)
        set_option(_TRIM_THRESHOLD, KEPT)


def give_back() -> None:
    """Hand freed memory that the GNU C library keeps for later requests back to the system; elsewhere do nothing.

    A conversion makes and drops large arrays of many sizes: what the library keeps between live arrays can be as much
    as these take.
    """
    trim = _gnu("malloc_trim")
    if trim is not None:
        trim(0)


def _gnu(name: str) -> Callable[..., int] | None:
    """A function of the GNU C library, None where there is another."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
