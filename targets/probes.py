"""Looking for simulators and SDKs without importing them: an import may start threads, a licence check, an installer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from targets.base import Availability

LAVA = "0.10.0"


def always() -> Availability:
    """Needs nothing but this package's own dependencies."""
    return Availability(True)


def installed(module: str) -> bool:
    """Whether a top-level module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def loihi2() -> Availability:
    """The chip needs Intel's lava-loihi, which is not public. Its files are looked for, and not imported."""
    if any(Path(sys.prefix).glob("lib/python3.*/site-packages/lava/utils/loihi2_profiler*")):
        return Availability(True)
    remedy = "INRC members get it from Intel; `deploy export OUT --format loihi2` writes what a lab with the chip needs"
    return Availability(False, "Intel's lava-loihi (compiler and NxKernel) is not installed", remedy)


def lava() -> Availability:
    """Lava runs on Python 3.10 only."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version != "3.10":
        reason = f"lava-nc {LAVA}, the newest Lava, runs on Python 3.10 only; this is {version}"
        return Availability(False, reason, "make an environment with Python 3.10")
    if not installed("lava"):
        return Availability(False, "lava-nc is not installed", f"pip install lava-nc=={LAVA}")
    return Availability(True)
