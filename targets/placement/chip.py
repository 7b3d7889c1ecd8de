"""Tables of chips' limits and features, each number with its source, ``null`` where no public number is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from processes.errors import DeployError

CORE_LIMITS = ("neurons", "memory_bits", "axons_in", "axons_out")
"""Resources of a core, names in ``ChipTable.limits``."""
NAMES = ("loihi1", "loihi2")


@dataclass(frozen=True)
class ChipTable:
    """The limits and features of a chip.

    Attributes:
        name, title: the value of --chip, and the chip's name in words.
        mesh: tiles across, tiles down, cores a tile.
        limits: ``cores`` of a chip; per core ``neurons``, ``memory_bits``, ``axons_in`` (distinct sources), ``axons_out``
            (pairs of a neuron and a core that it sends to); ``graded_bits`` of a payload. None is unknown.
        features: ``programmable`` neurons; ``state_in_memory`` (else it has memory of its own); ``shares_weights`` among
            rows of a layer in one core.
        sources: where each number comes from.
        needs: what running on the chip requires besides cores, in words.
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
        """Names of the limits that are not publicly known, which placement does not check."""
        return [name for name, value in self.limits.items() if value is None]


@cache
def load_chip(name: str) -> ChipTable:
    """Read the table of a chip from ``name``.json.

    Raises:
        DeployError: the chip is unknown.
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
