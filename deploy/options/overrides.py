"""Reading of ``overrides``: base, spikes and time steps of single layers, by pattern of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from deploy.errors import DeployError

HOW = 'write them as overrides: {"blocks.*.mlp.*": {spikes: 2}}'
REFUSED = {
    "precision": "a network has one arithmetic: integers and floating point cannot feed each other's potentials; "
    "--precision sets it for all",
}
"""Settings that have to be equal in all layers, each with the reason."""
LONGEST = 256
"""Largest number of time steps of a window."""
MEANT = {
    "base": "a number above 1 and at most 2", "spikes": "1, 2 or 3", "timesteps": f"a whole number from 2 to {LONGEST}",
}  # fmt: skip


def read_overrides(given: str | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read settings by pattern of layers' names, from a table or from its YAML text.

    Raises:
        DeployError: ``given`` is no such table, or a setting is unknown, has to be equal in all layers, or is out of
            range.
    """
    if isinstance(given, str):
        try:
            given = yaml.safe_load(given)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise DeployError(f"overrides: no readable YAML; {HOW}") from error
    if not isinstance(given, Mapping) or not given:
        raise DeployError(f"overrides: no table of patterns; {HOW}")
    return {str(pattern): _settings(str(pattern), settings) for pattern, settings in given.items()}


def _settings(pattern: str, settings: Any) -> dict[str, Any]:
    where = f"overrides of `{pattern}`"
    if not isinstance(settings, Mapping) or not settings:
        raise DeployError(f"{where}: no table of settings; {HOW}")
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if key in REFUSED:
            raise DeployError(f"{where}: {key} cannot differ between layers: {REFUSED[key]}")
        number = isinstance(value, int) and not isinstance(value, bool)
        if key == "base" and isinstance(value, (int, float)) and not isinstance(value, bool) and 1 < value <= 2:
            found[key] = float(value)
        elif (key == "spikes" and number and value in (1, 2, 3)) or (
            key == "timesteps" and number and 2 <= value <= LONGEST
        ):
            found[key] = value
        elif key in MEANT:
            raise DeployError(f"{where}: {key} is {value!r}; give {MEANT[key]}")
        else:
            raise DeployError(f"{where}: no setting `{key}`; known are {', '.join(MEANT)}")
    return found
