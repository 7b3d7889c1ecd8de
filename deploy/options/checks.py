"""What every command checks of its options, and says when it does not hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from deploy.errors import DeployError


def check_choice(option: str, value: str, known: Iterable[str]) -> None:
    """Raises DeployError that lists what is known if `value` is not."""
    names = list(known)
    if value not in names:
        near = difflib.get_close_matches(value, names, n=1)
        hint = f"did you mean {near[0]}? known are" if near else "known are"
        raise DeployError(f"{option} {value}: unknown; {hint} {', '.join(names)}")


def check_positive(option: str, value: int | None) -> None:
    """Raises DeployError if `value` is given and below 1."""
    if value is not None and value < 1:
        raise DeployError(f"{option} {value}: at least 1 is needed")


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
