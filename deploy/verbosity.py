"""How much a command says: `-q` nothing but results, warnings and errors, `-v` also what each stage took."""

from __future__ import annotations

from contextvars import ContextVar
from enum import IntEnum

from deploy.errors import DeployError


class Verbosity(IntEnum):
    """From least to most."""

    QUIET = 0
    USUAL = 1
    VERBOSE = 2


_ASKED = ContextVar("verbosity", default=Verbosity.USUAL)


def verbosity() -> Verbosity:
    """What the running command was asked for."""
    return _ASKED.get()


def ask(verbose: bool, quiet: bool) -> None:
    """What `-v` and `-q` say, for the rest of the command.

    Raises:
        DeployError: both.
    """
    if verbose and quiet:
        raise DeployError("--verbose and --quiet: one asks for more, the other for less; give one of them")
    _ASKED.set(Verbosity.VERBOSE if verbose else Verbosity.QUIET if quiet else Verbosity.USUAL)
