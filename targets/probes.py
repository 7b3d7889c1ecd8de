"""Looking for simulators and SDKs without importing them: an import may start threads, a licence check, an installer."""

from __future__ import annotations

import importlib.util
import sys

from targets.base import Availability

LAVA = "0.10.0"


def always() -> Availability:
    """Needs nothing but this package's own dependencies."""
    return Availability(True)


def installed(module: str) -> bool:
    """Whether a top-level module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def lava() -> Availability:
    """Lava runs on Python 3.10 only."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version != "3.10":
        reason = f"lava-nc {LAVA}, the newest Lava, runs on Python 3.10 only; this is {version}"
        return Availability(False, reason, "make an environment with Python 3.10")
    if not installed("lava"):
        return Availability(False, "lava-nc is not installed", f"pip install lava-nc=={LAVA}")
    return Availability(True)
