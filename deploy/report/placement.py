"""A placement as a picture: one cell for each core, layer after layer, row under row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from targets.placement.chip import load_chip

ACROSS, CELL = 64, 13  # cores in a row of the picture; pixels from one to the next
KINDS = {
    "phase_neuron": "code", "rate_neuron": "code", "si_neuron": "activation", "dynamic_threshold": "normalisation",
    "centre": "normalisation", "woss": "softmax", "si_exp": "softmax", "si_norm": "softmax", "residual": "residual",
    "readout": "readout",
}  # fmt: skip
"""What a population is for, by its operation: the page's colours."""


@dataclass(frozen=True)
class Tile:
    """A layer's cores. shade: opacity. text: what a pointer over them reads."""

    kind: str
    shade: float
    path: str
    text: str


@dataclass(frozen=True)
class Placed:
    """One chip's picture and the numbers beside it; layers as in report.json, with ``fullest``, a fraction."""

    title: str
    width: int
    height: int
    tiles: list[Tile]
    kinds: list[str]
    cores: int
    chips: int
    neurons: int
    synapses: int
    fills_first: str | None
    not_checked: list[str]
    obstacles: Mapping[str, int]
    layers: list[dict[str, Any]]


def placements(placement: Mapping[str, Any]) -> list[Placed]:
    """Of report.json's ``placement``, the chip on which most layers run first."""
    return sorted((_placed(chip, found) for chip, found in placement.items()), key=lambda placed: len(placed.obstacles))


def _placed(chip: str, found: Mapping[str, Any]) -> Placed:
    limits = load_chip(chip).limits
    layers: list[dict[str, Any]] = [
        {**layer, "fullest": _fullest(layer.get("use", {}), limits)} for layer in found["layers"]
    ]
    kinds = [KINDS[layer["op"]] for layer in layers]
    return Placed(
        load_chip(chip).title,
        CELL * min(ACROSS, max(1, found["cores"])),
        CELL * -(-found["cores"] // ACROSS),
        [_tile(layer, kind) for layer, kind in zip(layers, kinds, strict=True) if layer["cores"]],
        list(dict.fromkeys(kinds)),
        found["cores"], found["chips"], found["neurons"], found["synapses"], found.get("fills_first"),
        found["not_checked"], found.get("obstacles", {}), layers,
    )  # fmt: skip


def _fullest(use: Mapping[str, int], limits: Mapping[str, int | None]) -> float:
    """The largest share of a known resource that the layer's fullest core takes."""
    return max((taken / limit for name, taken in use.items() if (limit := limits[name])), default=0.0)


def _tile(layer: Mapping[str, Any], kind: str) -> Tile:
    cores = range(layer["first_core"], layer["first_core"] + layer["cores"])
    side = CELL - 2
    path = "".join(f"M{CELL * (core % ACROSS)} {CELL * (core // ACROSS)}h{side}v{side}h-{side}z" for core in cores)
    text = f"{layer['name']}: {layer['neurons']:,} neurons on {layer['cores']:,} cores, {100 * layer['fullest']:.0f} % full"
    return Tile(kind, round(0.25 + 0.75 * layer["fullest"], 2), path, text)
