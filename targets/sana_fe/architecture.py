"""Writes SANA-FE's description of a chip: a mesh of tiles with Loihi's published energies and latencies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any


def costs() -> dict[str, Any]:
    """Read Loihi's energies (joules) and latencies (seconds) per event from loihi.json, with their source."""
    text = (resources.files("targets.sana_fe") / "loihi.json").read_text(encoding="utf-8")
    return json.loads(text)


def describe(cores: int, mesh: tuple[int, int, int], neurons: int, units: Iterable[tuple[str, int]]) -> str:
    """Describe, as YAML, as many chips as hold ``cores``, joined to one mesh in which all links cost the same.

    Args:
        cores: number of cores that are used.
        mesh: tiles across, tiles down and cores a tile, of one chip.
        neurons: most neurons of a core.
        units: (kind, n): a synapse unit that stands for n synapses of a kind, at n times the cost of one.
    """
    across, down, per_tile = mesh
    chips = -(-cores // (across * down * per_tile))
    data = costs()
    synapses = [
        _unit(
            f"{kind}{n}", {"model": "current_based"} | {key: n * value for key, value in data["synapse"][kind].items()}
        )
        for kind, n in sorted(units)
    ]
    core = {
        "attributes": {"buffer_position": "soma", "buffer_inside_unit": False, "max_neurons_supported": neurons},
        "axon_in": [_unit("in", data["axon_in"])],
        "synapse": synapses,
        "dendrite": [_unit("dendrite", {"model": "accumulator", "energy_update": 0.0, "latency_update": 0.0})],
        "soma": [_unit("soma", {"model": "leaky_integrate_fire"} | data["soma"])],
        "axon_out": [_unit("out", data["axon_out"])],
    }
    tile = {
        "name": f"tile[0..{across * down * chips - 1}]",
        "attributes": data["hop"],
        "core": [{"name": f"core[0..{per_tile - 1}]"} | core],
    }
    attributes: Mapping[str, Any] = {
        "topology": "mesh",
        "width": across,
        "height": down * chips,
        "link_buffer_size": data["link_buffer_size"],
        "sync_model": "table",
        "latency_sync": {int(tiles): seconds for tiles, seconds in data["latency_sync"].items()},
    }
    return _yaml({"architecture": {"name": "loihi", "attributes": attributes, "tile": [tile]}})


def _unit(name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A hardware unit of a core in SANA-FE's format."""
    return {"name": name, "attributes": dict(attributes)}


def _yaml(value: Any, indent: int = 0) -> str:
    """Format nested mappings, lists of mappings and plain values as YAML."""
    pad, lines = "  " * indent, []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines.append(f"{pad}{key}:\n{_yaml(item, indent + 1)}")
        elif isinstance(item, list):
            lines.append(f"{pad}{key}:\n" + "\n".join(_dash(_yaml(entry, indent + 2), indent + 1) for entry in item))
        else:
            lines.append(f"{pad}{key}: {json.dumps(item)}")
    return "\n".join(lines)


def _dash(text: str, indent: int) -> str:
    """Turn a mapping's YAML, indented by one level more than ``indent``, into a list item."""
    pad = "  " * indent
    return f"{pad}- {text[len(pad) + 2 :]}"
