"""A placement as a picture: one cell for each core, in the order of the cores' numbers, in rows of ``ACROSS``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.schema import PlacedLayer, Placement
from processes.operation import REGISTRY
from processes.words import kind
from targets.placement.chip import load_chip

ACROSS, CELL = 64, 13  # cores in a row of the picture; pixels from one to the next


@dataclass(frozen=True)
class Tile:
    """The cores of a layer as an SVG path; ``kind`` names its colour, ``shade`` is opacity, ``text`` shows on hover."""

    kind: str
    shade: float
    path: str
    text: str


@dataclass(frozen=True)
class Placed:
    """The picture of a network's placement on one kind of chip.

    Attributes:
        title: of the chip.
        width, height: of the picture, in pixels.
        tiles: layers that have cores.
        kinds: kinds of layers, for the legend.
        placement: figures in the report.
        layers: each with the largest share of a resource that its fullest core takes.
        needs: what it takes to run on the chip besides cores, in words.
    """

    title: str
    width: int
    height: int
    tiles: list[Tile]
    kinds: list[str]
    placement: Placement
    layers: list[tuple[PlacedLayer, float]]
    needs: tuple[str, ...]


def placements(found: Mapping[str, Placement]) -> list[Placed]:
    """Pictures of a report's placements, the chip with the fewest kinds of obstacles first."""
    return sorted((_placed(chip, one) for chip, one in found.items()), key=lambda one: len(one.placement.obstacles))


def _placed(chip: str, found: Placement) -> Placed:
    limits = load_chip(chip).limits
    layers = [(layer, _fullest(layer.use, limits)) for layer in found.layers]
    kinds = [kind.of_class(REGISTRY[layer.op]) for layer in found.layers]
    return Placed(
        load_chip(chip).title,
        CELL * min(ACROSS, max(1, found.cores)),
        CELL * -(-found.cores // ACROSS),
        [_tile(*layer, use) for layer, use in zip(layers, kinds, strict=True) if layer[0].cores],
        list(dict.fromkeys(kinds)),
        found,
        layers,
        load_chip(chip).needs,
    )


def _fullest(use: Mapping[str, int], limits: Mapping[str, int | None]) -> float:
    """The largest share of a core's resource that ``use`` takes, over the resources with a known limit."""
    return max((taken / limit for name, taken in use.items() if (limit := limits[name])), default=0.0)


def _tile(layer: PlacedLayer, fullest: float, kind: str) -> Tile:
    cores = range(layer.first_core, layer.first_core + layer.cores)
    side = CELL - 2
    path = "".join(f"M{CELL * (core % ACROSS)} {CELL * (core // ACROSS)}h{side}v{side}h-{side}z" for core in cores)
    text = f"{layer.name}: {layer.neurons:,} neurons on {layer.cores:,} cores, {100 * fullest:.0f} % full"
    return Tile(kind, round(0.25 + 0.75 * fullest, 2), path, text)
