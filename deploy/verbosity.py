"""How much a command prints: `-q` only results, warnings and errors; `-v` also time and memory of each stage."""

from __future__ import annotations

from contextvars import ContextVar
from enum import IntEnum

from deploy.errors import DeployError


class Verbosity(IntEnum):
    """How much a command prints, from least to most."""

    QUIET = 0
    USUAL = 1
    VERBOSE = 2


_ASKED = ContextVar("verbosity", default=Verbosity.USUAL)


def verbosity() -> Verbosity:
    """The verbosity of the running command; USUAL outside of one."""
    return _ASKED.get()


def ask(verbose: bool, quiet: bool) -> None:
    """Set the verbosity of the running command from `-v` and `-q`.

    Raises:
        DeployError: both are given.
    """
    if verbose and quiet:
        raise DeployError("--verbose and --quiet: one asks for more, the other for less; give one of them")
    _ASKED.set(Verbosity.VERBOSE if verbose else Verbosity.QUIET if quiet else Verbosity.USUAL)
