"""`deploy place`: assigns a converted network to the cores of a chip, and keeps a summary in report.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from deploy.errors import DeployError
from deploy.output import GRAPH, require_conversion
from deploy.overlap import overlaps
from deploy.schema import Overlap, PlacedLayer, read_report, write_report
from deploy.schema import Placement as Summary
from evaluator.network_file import read
from evaluator.timeline import timeline
from processes.network import Network
from targets.placement import Layer, Placement
from targets.placement import place as place_network
from targets.placement.chip import NAMES, load_chip


def place(path: Path, chip: str, state_sets: int = 1) -> tuple[Placement, Overlap]:
    """Place the network of a conversion's folder, whose report.json then keeps the result, or of a .nir file.

    Nodes get up to ``state_sets`` sets of state, as many as the smallest interval between samples takes.

    Returns:
        The placement, and the interval at which samples may follow each other.

    Raises:
        DeployError: the chip is unknown, ``path`` holds no network, or placement does not know an operation.
    """
    table = load_chip(chip)
    folder = None if path.is_file() else require_conversion(path)
    network: Network = read(path if folder is None else folder / GRAPH)
    (plan,) = overlaps(network, timeline(network), (state_sets,))
    placement = place_network(network, table, plan.sets)
    if folder is not None:
        report = read_report(folder)
        write_report(folder, replace(report, placement={**report.placement, chip: summary(placement, plan.sets)}))
    return placement, plan


def placed(network: Network) -> dict[str, Summary]:
    """Summaries of the placements on all known chips, by chip; {} if placement does not know an operation."""
    try:
        return {chip: summary(place_network(network, load_chip(chip))) for chip in NAMES}
    except DeployError:
        return {}


def summary(placement: Placement, sets: Mapping[str, int] | None = None) -> Summary:
    """What report.json keeps of a placement, under ``placement.CHIP``; ``sets``: number of state sets by node."""
    return Summary(
        cores=placement.cores,
        chips=placement.chips,
        fits=placement.fits,
        neurons=sum(layer.population.neurons for layer in placement.layers),
        synapses=sum(layer.population.synapses for layer in placement.layers),
        fills_first=fills_first(placement),
        not_checked=tuple(placement.chip.unknown),
        obstacles=dict(Counter(text for layer in placement.layers for text in layer.obstacles)),
        layers=tuple(_layer(layer) for layer in placement.layers),
        state_sets=max((sets or {}).values(), default=1),
    )


def fills_first(placement: Placement) -> str | None:
    """The resource that limits the tiles of most layers, in words; None if no resource limits a tile."""
    cut = Counter(fills(layer) for layer in placement.layers if layer.tile and layer.tile.fills)
    return cut.most_common(1)[0][0] if cut else None


def fills(layer: Layer) -> str:
    """The resource that limits the size of a layer's tile, in words; "-" if none does."""
    if layer.tile is None:
        return "does not fit"
    words = {"memory_bits": "memory", "axons_in": "axons in", "axons_out": "axons out", None: "-"}
    return words.get(layer.tile.fills, layer.tile.fills or "")


def shares(placement: Placement, layer: Layer) -> dict[str, float]:
    """Fraction of each known core resource that the layer's fullest core takes."""
    if layer.tile is None:
        return {}
    limits = placement.chip.limits
    return {name: use / limit for name, use in layer.tile.use.items() if (limit := limits[name])}


def _layer(layer: Layer) -> PlacedLayer:
    population = layer.population
    return PlacedLayer(
        name=population.name,
        op=population.op.name,
        neurons=population.neurons,
        synapses=population.synapses,
        cores=layer.cores,
        first_core=layer.first,
        tile=None if layer.tile is None else (layer.tile.rows, layer.tile.columns),
        use={} if layer.tile is None else layer.tile.use,
        fills_first=fills(layer),
        obstacles=tuple(layer.obstacles),
    )
