"""Checks of option values that several commands share; each raises DeployError with the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from deploy.errors import DeployError


def check_choice(option: str, value: str, known: Iterable[str]) -> None:
    """Raise DeployError, with the nearest name and all known ones, if ``value`` is not among ``known``."""
    names = list(known)
    if value not in names:
        near = difflib.get_close_matches(str(value), names, n=1)
        hint = f"did you mean {near[0]}? known are" if near else "known are"
        raise DeployError(f"{option} {value}: unknown; {hint} {', '.join(names)}")


def check_number(option: str, value: Any, whole: bool = True) -> None:
    """Raise DeployError if ``value`` is neither None nor a number (a whole one if ``whole``): scripts pass any type."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral if whole else Real)):
        raise DeployError(
            f"{option} {value!r}: is a {type(value).__name__}; give {'a whole number' if whole else 'a number'}"
        )


def check_positive(option: str, value: int | None) -> None:
    """Raise DeployError if ``value`` is not None and not a whole number of at least 1."""
    check_number(option, value)
    if value is not None and value < 1:
        raise DeployError(f"{option} {value}: at least 1 is needed")


def check_seed(seed: int) -> None:
    """Raise DeployError unless 0 <= seed < 2^63, which both PyTorch's and NumPy's generators accept."""
    check_number("--seed", seed)
    if not 0 <= seed < 2**63:
        raise DeployError(f"--seed {seed}: give a whole number from 0 to {2**63 - 1}")


def check_input_file(option: str, path: Path | None) -> None:
    """Raise DeployError if ``path`` is given but is no file or folder; reading a pipe could block for ever."""
    if path is None:
        return
    found = path.expanduser()
    try:
        there = found.exists()
    except OSError as error:
        raise DeployError(f"{option} {path}: cannot be read ({error.strerror}); check the path") from error
    if not there:
        raise DeployError(f"{option} {path}: no such file or folder; check the path")
    if not (found.is_file() or found.is_dir()):
        raise DeployError(
            f"{option} {path}: is neither a file nor a folder, but a pipe or a device; save the data first"
        )


def overlapping(overlap: bool, state_sets: int | None) -> int | None:
    """Largest number of sets of state of a node: 1 by default if samples overlap, None if they do not.

    Raises:
        DeployError: ``state_sets`` is below 1, or is given without ``overlap``.
    """
    check_positive("--state-sets", state_sets)
    if state_sets is not None and not overlap:
        raise DeployError("--state-sets: samples that run one after the other need one; add --overlap")
    return (state_sets or 1) if overlap else None


def same_file(first: Path, second: Path) -> bool:
    """Whether two paths lead to the same file, after ``~`` and symbolic links are resolved."""
    return first.expanduser().resolve() == second.expanduser().resolve()
