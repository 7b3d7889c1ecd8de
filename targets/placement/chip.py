"""Chips as tables: what a core holds, each number with its source, ``null`` where no public number is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from processes.errors import DeployError

CORE_LIMITS = ("neurons", "memory_bits", "axons_in", "axons_out")
NAMES = ("loihi1", "loihi2")


@dataclass(frozen=True)
class ChipTable:
    """A chip.

    Attributes:
        name, title: how a user asks for it, and what it is called.
        mesh: tiles across, tiles down, cores a tile.
        limits: ``cores`` of a chip; per core ``neurons``, ``memory_bits``, ``axons_in`` (distinct sources), ``axons_out``
            (pairs of a neuron and a core that it sends to); ``graded_bits`` of a payload. None is unknown.
        features: ``programmable`` neurons; ``state_in_memory`` (else it has memory of its own); ``shares_weights`` among
            rows of a layer in one core.
        sources: where each number comes from.
        needs: what it takes to run there besides cores, in words.
    """

    name: str
    title: str
    mesh: tuple[int, int, int]
    limits: dict[str, int | None]
    features: dict[str, bool]
    sources: dict[str, str]
    needs: tuple[str, ...] = ()

    @property
    def unknown(self) -> list[str]:
        """Limits that are not known, and so not checked."""
        return [name for name, value in self.limits.items() if value is None]


@cache
def load_chip(name: str) -> ChipTable:
    """The table ``name``.json.

    Raises:
        DeployError: there is none.
    """
    if name not in NAMES:
        raise DeployError(f"--chip {name}: unknown; known are {', '.join(NAMES)}")
    text = (resources.files("targets.placement") / f"{name}.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    entries = data["limits"] | data["features"]
    return ChipTable(
        data["name"],
        data["title"],
        tuple(data["mesh"]),
        {key: entry["value"] for key, entry in data["limits"].items()},
        {key: entry["value"] for key, entry in data["features"].items()},
        {key: entry["source"] for key, entry in entries.items()},
        tuple(data["needs"]),
    )
