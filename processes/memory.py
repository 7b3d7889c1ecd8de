"""Memory that is free, handed back to the system."""

from __future__ import annotations

import ctypes
import sys

NODES = 32
"""Of a network after which a pass over all of them hands memory back, as each makes and drops arrays of its own sizes."""


def give_back() -> None:
    """Hand freed memory back to the system; the GNU C library keeps it for later requests, others do not.

    A conversion makes and drops large arrays of many sizes: what is kept between those that live on is as much as they take.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
