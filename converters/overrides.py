"""Codes that a user gives to layers by patterns of the layers' names, in place of codes that would be chosen."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from processes.errors import DeployError

SHOWN = 5  # most layer names in an error message


@dataclass(frozen=True)
class Override:
    """The parts of a layer's code that the user gives; None for a part that is chosen as usual.

    Attributes:
        base: B in (1, 2].
        spikes: most spikes of a neuron in a window, 1 to 3.
        timesteps: T, the steps of the layer's window.
    """

    base: float | None = None
    spikes: int | None = None
    timesteps: int | None = None


def by_layer(patterns: Mapping[str, Override], layers: Collection[str]) -> dict[str, Override]:
    """Overrides by layer, without the layers that no pattern matches.

    Args:
        patterns: overrides by shell-style pattern; where several match a layer, what a later one gives replaces it.
        layers: names of all firing layers.

    Raises:
        DeployError: a pattern matches no layer; the message lists the layer names nearest to the pattern.
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
