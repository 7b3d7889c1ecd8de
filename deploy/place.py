"""`deploy place`: a converted network on the cores of a chip, and what report.json says about it."""

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
    """Places the network of a conversion's folder, or of a .nir file; a folder's report.json keeps the result.

    Nodes have as many sets of state, up to ``state_sets``, as let samples follow each other most closely.

    Raises:
        DeployError: an unknown chip, a path that holds no network, or an operation that placement does not know.
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
    """By chip what ``deploy place`` keeps in report.json; empty for operations that placement does not know."""
    try:
        return {chip: summary(place_network(network, load_chip(chip))) for chip in NAMES}
    except DeployError:
        return {}


def summary(placement: Placement, sets: Mapping[str, int] | None = None) -> Summary:
    """What report.json keeps under ``placement.CHIP``."""
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
    """The resource that cuts most layers, or None if every layer fits in one core a group of rows."""
    cut = Counter(fills(layer) for layer in placement.layers if layer.tile and layer.tile.fills)
    return cut.most_common(1)[0][0] if cut else None


def fills(layer: Layer) -> str:
    """The resource that keeps a layer's tile from being larger, in words."""
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
