"""Codes that a user gives to layers by the patterns of their names, in place of those that would be chosen."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from processes.errors import DeployError

SHOWN = 5  # names that a message repeats


@dataclass(frozen=True)
class Override:
    """What of a layer's code is given; None for what is chosen as usual.

    base: B in (1, 2]. spikes: most of a neuron in a window, 1 to 3. timesteps: T, steps of its window.
    """

    base: float | None = None
    spikes: int | None = None
    timesteps: int | None = None


def by_layer(patterns: Mapping[str, Override], layers: Collection[str]) -> dict[str, Override]:
    """What is given for each of ``layers``, which fire; of patterns that match the same one the later goes first.

    Raises:
        DeployError: a pattern matches no layer; the message has the names nearest to it.
    """
    found: dict[str, Override] = {}
    for pattern, given in patterns.items():
        matched = [name for name in layers if fnmatchcase(name, pattern)]
        if not matched:
            near = difflib.get_close_matches(pattern, layers, n=SHOWN, cutoff=0.3) or list(layers)[:SHOWN]
            raise DeployError(
                f"overrides: `{pattern}` matches no layer that fires; nearest are {', '.join(near)}, of {len(layers)} "
                "(`deploy check MODEL` and any report list them)"
            )
        for name in matched:
            before = found.get(name, Override())
            found[name] = Override(
                before.base if given.base is None else given.base,
                before.spikes if given.spikes is None else given.spikes,
                before.timesteps if given.timesteps is None else given.timesteps,
            )
    return found
