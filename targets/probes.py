"""Looks for simulators and SDKs without importing them: imports may start threads, licence checks or installers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from targets.base import Availability

LAVA = "0.10.0"
"""The version of lava-nc that the project runs on."""


def always() -> Availability:
    """Report a target as available that needs nothing but this package's own dependencies."""
    return Availability(True)


def installed(module: str) -> bool:
    """Whether a top-level module can be found for import; the module is not imported."""
    return importlib.util.find_spec(module) is not None


def loihi2() -> Availability:
    """Whether Intel's lava-loihi, which the Loihi 2 chip needs and which is not public, is installed."""
    if any(Path(sys.prefix).glob("lib/python3.*/site-packages/lava/utils/loihi2_profiler*")):
        return Availability(True)
    remedy = "INRC members get it from Intel; `deploy export OUT --format loihi2` writes what a lab with the chip needs"
    return Availability(False, "Intel's lava-loihi (compiler and NxKernel) is not installed", remedy)


def lava() -> Availability:
    """Whether lava-nc is installed, and this is Python 3.10, the only version that Lava runs on."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version != "3.10":
        reason = f"lava-nc {LAVA}, the newest Lava, runs on Python 3.10 only; this is {version}"
        return Availability(False, reason, "make an environment with Python 3.10")
    if not installed("lava"):
        return Availability(False, "lava-nc is not installed", f"pip install lava-nc=={LAVA}")
    return Availability(True)
