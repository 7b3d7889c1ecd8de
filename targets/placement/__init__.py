"""Places a network on the cores of a chip: how many cores it takes, which resource limits them, and what does not fit.

Each population is cut into tiles of rows x columns, one tile a core. A tile first takes as many columns as a core holds
for one row, then as many rows as a core holds of those columns, so that rows share weights where the chip allows it.
Readers are placed before their sources, so that the number of axons out of a core is known when the core is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from processes.chips import widths_of
from processes.footprint import WORD_BITS
from processes.network import Network, Readout
from processes.populations import Connection, Population, populations
from processes.state_sets import with_sets
from targets.placement.chip import ChipTable


@dataclass(frozen=True)
class Tile:
    """The part of a population that one core holds.

    Attributes:
        rows, columns: its size.
        use: amount taken of each resource of the core.
        fills: the resource that keeps the tile from being larger; None if it holds the whole population.
    """

    rows: int
    columns: int
    use: dict[str, int]
    fills: str | None


@dataclass(frozen=True)
class Layer:
    """A population placed on the chip.

    Attributes:
        population: the neurons and their connections.
        tile: of its fullest core; None if not even one neuron fits.
        first, cores: number of its first core, and how many it takes.
        obstacles: reasons why it cannot run there, with numbers; empty if it can.
    """

    population: Population
    tile: Tile | None
    first: int
    cores: int
    obstacles: tuple[str, ...]

    @property
    def across(self) -> int:
        """Number of cores among which one row is divided."""
        return 0 if self.tile is None else -(-self.population.columns // self.tile.columns)

    def core_of(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the cores of all neurons, (*shape), and of every row's own neurons, (rows,); int64."""
        assert self.tile is not None
        p = self.population
        row = _groups(p, self.tile.rows) * self.across
        grid = self.first + row[:, None] + np.arange(p.columns) // self.tile.columns
        if not p.channels_first:
            return grid.reshape(p.op.shape), self.first + row
        images, channels, *pixels = p.op.shape
        return np.moveaxis(grid.reshape(images, *pixels, channels), -1, 1), self.first + row


@dataclass(frozen=True)
class Placement:
    """A network placed on a chip, its layers in the network's order."""

    chip: ChipTable
    layers: tuple[Layer, ...]

    @property
    def cores(self) -> int:
        """Number of cores that all layers take."""
        return sum(layer.cores for layer in self.layers)

    @property
    def chips(self) -> int:
        """Number of chips that hold these cores."""
        return -(-self.cores // (self.chip.limits["cores"] or 1))

    @property
    def fits(self) -> bool:
        """Whether every layer can run on the chip."""
        return not any(layer.obstacles for layer in self.layers)


def place(network: Network, chip: ChipTable, sets: Mapping[str, int] | None = None) -> Placement:
    """Place every population of a network; one that does not fit takes no cores, and its obstacles say why.

    Args:
        network: the network.
        chip: its table of limits and features.
        sets: sets of state of the nodes that hold several samples at once, by name (:mod:`evaluator.interval`).
    """
    tiles: dict[str, Tile | None] = {}
    readers: dict[str, list[tuple[Population, Connection]]] = {}
    described = [with_sets(population, sets or {}) for population in populations(network)]
    for population in reversed(described):
        reached = [(c.share, _cores_reached(p, c, tiles[p.name])) for p, c in readers.get(population.name, [])]
        whole = sum(cores for share, cores in reached if share == 1)
        part = max((cores for share, cores in reached if share < 1), default=0)  # a neuron is in one slice
        tiles[population.name] = largest_tile(population, chip, whole + part)
        for connection in population.connections:
            readers.setdefault(connection.source, []).append((population, connection))
    layers, first = [], 0
    for population in described:
        tile = tiles[population.name]
        cores = 0 if tile is None else _rows_of_cores(population, tile) * -(-population.columns // tile.columns)
        obstacles = _obstacles(network, population, chip, tile)
        layers.append(Layer(population, tile, first, cores, obstacles))
        first += cores
    return Placement(chip, tuple(layers))


def largest_tile(population: Population, chip: ChipTable, outgoing: int = 0) -> Tile | None:
    """The largest tile that a core holds of a population that is cut evenly; None if no neuron fits.

    ``outgoing`` is the number of cores that each of its neurons sends to.
    """

    def fits(rows: int, columns: int) -> bool:
        return not exceeded(use_of(population, chip, rows, columns, outgoing), chip)

    if not fits(1, 1):
        return None
    columns = _largest(population.columns, lambda c: fits(1, c))
    fills = _first_exceeded(population, chip, 1, columns + 1, outgoing) if columns < population.columns else None
    columns = -(-population.columns // -(-population.columns // columns))  # cut evenly
    rows = _largest(population.group, lambda r: fits(r, columns))
    if rows < population.group:
        fills = _first_exceeded(population, chip, rows + 1, columns, outgoing)
        rows = -(-population.group // -(-population.group // rows))
    return Tile(rows, columns, use_of(population, chip, rows, columns, outgoing), fills)


def use_of(population: Population, chip: ChipTable, rows: int, columns: int, outgoing: int = 0) -> dict[str, int]:
    """Amount of each resource of a core (CORE_LIMITS) that a tile of ``rows`` x ``columns`` takes."""
    neurons = population.neurons_of(rows, columns)
    shared = chip.features["shares_weights"]
    stored = sum(
        (c.stored if shared and (c.kind != "trace" or chip.features["programmable"]) else c.unrolled).of(rows, columns)
        * c.bits
        for c in population.connections
    )
    state = population.state.of(rows, columns) * WORD_BITS if chip.features["state_in_memory"] else 0
    return {
        "neurons": neurons,
        "memory_bits": stored + state,
        "axons_in": sum(c.inputs.of(rows, columns) for c in population.connections),
        "axons_out": neurons * outgoing,
    }


def exceeded(use: dict[str, int], chip: ChipTable) -> list[str]:
    """Names of the resources of which ``use`` exceeds a core's limit; unknown limits are not checked."""
    return [name for name, value in use.items() if (limit := chip.limits[name]) is not None and value > limit]


def _first_exceeded(population: Population, chip: ChipTable, rows: int, columns: int, outgoing: int) -> str:
    return exceeded(use_of(population, chip, rows, columns, outgoing), chip)[0]


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest n in 1 .. ``most`` that fits, by bisection; 1 has to fit."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _groups(population: Population, rows: int) -> np.ndarray:
    """Number of the row of cores that holds each row, (rows,); tiles do not cross groups of rows."""
    group, within = np.divmod(np.arange(population.rows), population.group)
    return group * -(-population.group // rows) + within // rows


def _rows_of_cores(population: Population, tile: Tile) -> int:
    """Number of rows of cores that a population takes."""
    return population.rows // population.group * -(-population.group // tile.rows)


def _cores_reached(reader: Population, connection: Connection, tile: Tile | None) -> int:
    """Most cores of the reader in which one source neuron has synapses; 0 for connections of a row's own neuron."""
    if tile is None or connection.kind in ("gather", "spread"):
        return 0  # these stay in the row's core, or go to cores that the row's messages reach anyway
    rows, columns = connection.reach
    down = rows if connection.kind == "convolution" else -(-rows // tile.rows)
    return min(connection.copies * down, _rows_of_cores(reader, tile)) * -(-columns // tile.columns)


def _obstacles(network: Network, population: Population, chip: ChipTable, tile: Tile | None) -> tuple[str, ...]:
    """Reasons why a population cannot run on the chip."""
    found: list[str] = []
    if tile is None:
        use = use_of(population, chip, 1, 1)
        which = [f"{use[name]:,} {name}, a core has {chip.limits[name]:,}" for name in exceeded(use, chip)]
        found.append(f"one neuron needs {'; '.join(which) or 'more axons out than a core has'}")
    if not chip.features["programmable"] and not isinstance(population.op, Readout):
        found.append("needs a neuron program; this chip has leaky integrate-and-fire only")
    payload = widths_of(network.header.chip).graded_bits
    graded = population.op.emits == "graded" or any(c.kind in ("gather", "spread") for c in population.connections)
    limit = chip.limits["graded_bits"]
    if graded and limit is not None and payload > limit and not isinstance(population.op, Readout):
        found.append(f"sends graded spikes of {payload} bits; this chip carries {limit or 'none'}")
    return tuple(found)
