"""What a run of ours sends over a placed network, in a simulator's terms: groups, axons, and who fires at which step.

A population is one group of neurons, its rows' own neurons and its relays a group each. An axon is a source neuron and a
core that holds synapses of it; the simulator processes a message for each axon when the neuron fires.
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

UNITS = {"dense": "dense", "convolution": "conv"}  # what is neither is sparse


@dataclass(frozen=True)
class Group:
    """Neurons ``first`` .. ``first + size`` of all, with their cores; name says whose they are."""

    name: str
    first: int
    cores: np.ndarray

    @property
    def size(self) -> int:
        """How many."""
        return len(self.cores)


@dataclass(frozen=True)
class Axons:
    """pre: source neurons; post: one neuron of the core that they send to; synapses: how many they have there. int64."""

    unit: str
    pre: np.ndarray
    post: np.ndarray
    synapses: np.ndarray


def groups_of(placement: Placement) -> dict[str, Group]:
    """All groups by name: NAME, NAME.row and NAME.relay."""
    groups: dict[str, Group] = {}
    first = 0
    for layer in placement.layers:
        for name, cores in _cores(layer).items():
            groups[name] = Group(name, first, cores)
            first += len(cores)
    return groups


def _cores(layer: Layer) -> dict[str, np.ndarray]:
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
    """Axons of every connection, the host's input aside."""
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
    """(events, 2) int64, sorted: step and neuron of everything that a sample makes fire, graded messages included."""
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
