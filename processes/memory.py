"""Handing freed memory back to the operating system."""

from __future__ import annotations

import ctypes
import sys

NODES = 32
"""A pass over a network hands memory back after so many nodes, as each makes and drops arrays of its own sizes."""


def give_back() -> None:
    """Hand freed memory that the GNU C library keeps for later requests back to the system; elsewhere do nothing.

    A conversion makes and drops large arrays of many sizes: what the library keeps between live arrays can be as much
    as these take.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
