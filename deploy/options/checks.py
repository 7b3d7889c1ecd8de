"""What every command checks of its options, and says when it does not hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from deploy.errors import DeployError


def check_choice(option: str, value: str, known: Iterable[str]) -> None:
    """Raises DeployError that lists what is known if `value` is not."""
    names = list(known)
    if value not in names:
        near = difflib.get_close_matches(str(value), names, n=1)
        hint = f"did you mean {near[0]}? known are" if near else "known are"
        raise DeployError(f"{option} {value}: unknown; {hint} {', '.join(names)}")


def check_number(option: str, value: Any, whole: bool = True) -> None:
    """Raises DeployError if `value` is given and is no number, or no whole one: scripts can give anything."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral if whole else Real)):
        raise DeployError(
            f"{option} {value!r}: is a {type(value).__name__}; give {'a whole number' if whole else 'a number'}"
        )


def check_positive(option: str, value: int | None) -> None:
    """Raises DeployError if `value` is given and no whole number, or below 1."""
    check_number(option, value)
    if value is not None and value < 1:
        raise DeployError(f"{option} {value}: at least 1 is needed")


def check_seed(seed: int) -> None:
    """Raises DeployError unless every generator takes the seed: PyTorch's has 64 bits with a sign, NumPy's none below 0."""
    check_number("--seed", seed)
    if not 0 <= seed < 2**63:
        raise DeployError(f"--seed {seed}: give a whole number from 0 to {2**63 - 1}")


def check_input_file(option: str, path: Path | None) -> None:
    """Raises DeployError if a path is given that leads to no file or folder; a pipe would keep its reader waiting for ever."""
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
    """Most sets of state of a node if samples overlap, None if they do not.

    Raises:
        DeployError: fewer than one, or sets of state where nothing overlaps.
    """
    check_positive("--state-sets", state_sets)
    if state_sets is not None and not overlap:
        raise DeployError("--state-sets: samples that run one after the other need one; add --overlap")
    return (state_sets or 1) if overlap else None


def same_file(first: Path, second: Path) -> bool:
    """Whether two paths mean one file."""
    return first.expanduser().resolve() == second.expanduser().resolve()
