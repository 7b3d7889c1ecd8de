"""Codes of single layers in a configuration file: read, and refused where they cannot be meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from deploy.errors import DeployError

HOW = 'write them as overrides: {"blocks.*.mlp.*": {spikes: 2}}'
REFUSED = {
    "timesteps": "all windows of a network are equally long, since each layer integrates while the one before it fires; "
    "--timesteps sets T of all",
    "precision": "a network has one arithmetic: integers and floating point cannot feed each other's potentials; "
    "--precision sets it for all",
}
"""Settings that layers cannot differ in, and why."""


def read_overrides(given: str | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by pattern of layers' names: a table, or YAML text of one.

    Raises:
        DeployError: it is no such table, a setting is unknown, one that layers cannot differ in, or out of its range.
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
        if key == "base" and isinstance(value, (int, float)) and not isinstance(value, bool) and 1 < value <= 2:
            found[key] = float(value)
        elif key == "spikes" and value in (1, 2, 3) and not isinstance(value, (bool, float)):
            found[key] = value
        elif key in ("base", "spikes"):
            meant = "a number above 1 and at most 2" if key == "base" else "1, 2 or 3"
            raise DeployError(f"{where}: {key} is {value!r}; give {meant}")
        else:
            raise DeployError(f"{where}: no setting `{key}`; known are base and spikes")
    return found
