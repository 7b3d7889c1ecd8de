"""Converts a run over a placed network to a simulator's terms: groups of neurons, axons, and firing events.

A population is one group of neurons, and its rows' own neurons and its relays are a group each. An axon is a source
neuron and a core that holds synapses of it; the simulator processes one message for each axon when the neuron fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.target_run import TargetRun
from evaluator.timeline import Timeline
from processes.errors import DeployError
from processes.network import Network
from processes.populations import Connection, Population
from targets.placement import Layer, Placement
from targets.placement.edges import edges

UNITS = {"dense": "dense", "convolution": "conv"}  # synapse units by kind of connection; other kinds are sparse


@dataclass(frozen=True)
class Group:
    """A group of neurons, numbers ``first`` .. ``first + size - 1`` of the network, with the core of each, (size,)."""

    name: str
    first: int
    cores: np.ndarray

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.cores)


@dataclass(frozen=True)
class Axons:
    """All axons of one connection, as int64 arrays of one length.

    Attributes:
        unit: the kind of synapse unit: dense, conv or sparse.
        pre: numbers of the source neurons.
        post: for each axon one target neuron, which determines the core.
        synapses: number of the source neuron's synapses in that core.
    """

    unit: str
    pre: np.ndarray
    post: np.ndarray
    synapses: np.ndarray


def groups_of(placement: Placement) -> dict[str, Group]:
    """All groups by name: NAME for a population, NAME.row and NAME.relay; DeployError if a layer fits on no core."""
    groups: dict[str, Group] = {}
    first = 0
    for layer in placement.layers:
        for name, cores in _cores(layer).items():
            groups[name] = Group(name, first, cores)
            first += len(cores)
    return groups


def _cores(layer: Layer) -> dict[str, np.ndarray]:
    """Core of every neuron of a layer's groups, by the group's name."""
    if layer.tile is None:
        raise DeployError(f"layer '{layer.population.name}' does not fit on a core: {layer.obstacles[0]}")
    population, (neurons, rows) = layer.population, layer.core_of()
    found = {population.name: neurons.reshape(-1)}
    if population.relays:
        found[f"{population.name}.relay"] = neurons.reshape(-1)
    if population.row_neurons:
        found[f"{population.name}.row"] = rows
    return found


def axons_of(network: Network, placement: Placement, groups: dict[str, Group]) -> list[Axons]:
    """The axons of every connection except those from the network's input, which comes from the host."""
    cores = np.concatenate([group.cores for group in groups.values()])
    return [
        _axons(network, layer.population, connection, groups, cores)
        for layer in placement.layers
        for connection in layer.population.connections
        if connection.source != Network.INPUT
    ]


def _axons(network: Network, p: Population, c: Connection, groups: dict[str, Group], cores: np.ndarray) -> Axons:
    pre, post = edges(network, p, c)
    source = f"{p.name}.row" if c.kind == "spread" else c.source
    source = f"{p.name}.relay" if c.kind == "gather" and c.source == p.name else source
    pre = pre + groups[source].first
    post = post + groups[f"{p.name}.row" if c.to_row else p.name].first
    key = pre * (int(cores.max()) + 1) + cores[post]
    _, where, synapses = np.unique(key, return_index=True, return_counts=True)
    return Axons(UNITS.get(c.kind, "sparse"), pre[where], post[where], synapses)


def firing(network: Network, times: Timeline, run: TargetRun, sample: int, groups: dict[str, Group]) -> np.ndarray:
    """Sorted firing events of one sample, (events, 2) int64: step and neuron; a graded message is one event, too."""
    found: list[np.ndarray] = []

    def add(group: str, steps: np.ndarray | int, neurons: np.ndarray) -> None:
        found.append(np.stack([np.broadcast_to(steps, neurons.shape), neurons + groups[group].first], axis=1))

    for name, node in network:
        if name not in groups:
            continue
        op: Any = node.op
        start = times.windows[name].start
        everybody = np.arange(groups[name].size)
        if op.fires:
            for codes in run.values[name][sample].reshape(-1, groups[name].size).astype(np.int64):
                fired = np.nonzero(codes)[0]
                add(name, start + np.abs(codes[fired]) - 1, fired)
        else:
            add(name, start, everybody)
        if f"{name}.relay" in groups:
            mask = op.mask()
            takes_part = np.broadcast_to(mask.reshape(-1, *mask.shape[1:])[0], op.shape[-3:])
            takes_part = np.broadcast_to(takes_part, op.shape).reshape(-1)
            add(f"{name}.relay", start - 2, everybody[takes_part])
            add(f"{name}.row", start - 1, np.arange(groups[f"{name}.row"].size))
        elif f"{name}.row" in groups:
            add(f"{name}.row", start, np.arange(groups[f"{name}.row"].size))
    events = np.concatenate(found)
    return events[np.lexsort((events[:, 1], events[:, 0]))]
