"""Standard graphs as chips and their simulators take them: a chain of populations, one weight matrix before each.

The nodes between two populations (Affine, Conv2d, Flatten, SumPool2d, ...) form one affine map. Its matrix is found by
applying it to unit vectors, so that a chip's adapter handles neurons and matrices only, none of NIR's other nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from processes.errors import DeployError, Refusal, UnsupportedGraph
from processes.nir_nodes.neurons import Coefficients, Method, coefficients
from targets.nir_graph.kinds import POOLS, SPIKING, WEIGHTED
from targets.nir_graph.plan import Item, Plan
from targets.nir_graph.program import float_node
from targets.nir_graph.windows import LIMIT

__all__ = ["SPIKING", "Chain", "Population", "chain_of", "refuse_drive"]

BATCH = 256  # unit vectors that are mapped at once


@dataclass(frozen=True)
class Population:
    """A population of neurons and the synapses into it.

    Attributes:
        name: of the NIR node of the neurons.
        node: the NIR node of the neurons.
        weight: float64 (neurons, sources), what a source's spike adds to the neurons' input.
        bias: float64 (neurons,), added to the neurons' input at every step.
        between: the nodes that make up the weights, in order.
        reads: shape of one sample of the sources.
        shape: shape of one sample of the neurons.
    """

    name: str
    node: Any
    weight: np.ndarray
    bias: np.ndarray
    between: tuple[Item, ...]
    reads: tuple[int, ...]
    shape: tuple[int, ...]

    def recurrence(self, dt: float, method: Method) -> Coefficients:
        """Coefficients of the neurons' recurrence at time step ``dt``, arrays of shape (neurons,)."""
        of: Any = vars(coefficients(self.node, dt, method))
        spread: Any = {
            field: None if value is None else np.broadcast_to(value, self.shape).reshape(-1)
            for field, value in of.items()
        }
        return Coefficients(**spread)

    def per_neuron(self, field: str) -> np.ndarray:
        """The node's parameter ``field``, one value for each neuron, float64 (neurons,)."""
        return np.broadcast_to(np.asarray(getattr(self.node, field), np.float64), self.shape).reshape(-1)


@dataclass(frozen=True)
class Chain:
    """Populations in order, each reading the one before; ``source`` and ``sink`` name the graph's Input and Output."""

    source: str
    sink: str
    populations: tuple[Population, ...]


def chain_of(plan: Plan, dt: float, method: Method, kinds: tuple[type, ...], holder: str) -> Chain:
    """Return the populations of a plan that is a chain.

    Args:
        plan: the graph, flat and ordered.
        dt: time step in seconds.
        method: how the nodes' equations become time steps.
        kinds: NIR types of the neurons that the target runs.
        holder: name of the chip or emulator, for messages.

    Raises:
        UnsupportedGraph: the graph branches or has a cycle, other neurons, or weights behind the last population.
        DeployError: it has several Inputs or Outputs, or too many synapses.
    """
    names = walk(plan, holder)
    populations: list[Population] = []
    between: list[Item] = []
    reads = plan.items[names[0]].shape
    for name in names[1:-1]:
        item = plan.items[name]
        if isinstance(item.node, kinds):
            weight, bias = _matrix(between, reads, item.reads, dt, method)
            populations.append(Population(name, item.node, weight, bias, tuple(between), reads, item.shape))
            between, reads = [], item.shape
        elif isinstance(item.node, (*WEIGHTED, *POOLS, nir.Flatten, nir.Input, nir.Output)):
            between.append(item)
        else:
            _refuse(name, item, f"{holder} runs populations of {' or '.join(kind.__name__ for kind in kinds)}")
    if not populations or any(isinstance(item.node, WEIGHTED) for item in between):
        _refuse(
            names[-1],
            plan.items[names[-1]],
            f"{holder} puts out spikes; the network has to end in a spiking population",
        )
    return Chain(names[0], names[-1], tuple(populations))


def walk(plan: Plan, holder: str) -> list[str]:
    """Names of a chain's nodes from the Input to the Output.

    Raises:
        UnsupportedGraph: a node has several sources or readers, or is part of a cycle.
        DeployError: the graph has several Inputs or Outputs.
    """
    readers = plan.readers()
    for name, item in plan.items.items():
        if len(item.sources) > 1 or any(edge.carried for edge in item.sources) or len(readers[name]) > 1:
            _refuse(name, item, f"{holder} runs chains here: one source and one reader for each node, no cycles")
    if len(plan.inputs) != 1 or len(plan.outputs) != 1:
        raise DeployError(
            f"{holder} runs chains here: one Input and Output, not {len(plan.inputs)} and {len(plan.outputs)}"
        )
    names = [plan.inputs[0]]
    while names[-1] != plan.outputs[0]:
        names.append(readers[names[-1]][0])
    return names


def refuse_drive(name: str, drive: Any, chip: str) -> None:
    """Refuse a constant drive of a population that spikes reach later on ``chip`` than in the graph.

    Args:
        name: the population's node.
        drive: what its neurons integrate at every step without a spike: biases, resting potentials.
        chip: name for the message.

    Raises:
        DeployError: the drive is not 0 everywhere.
    """
    if np.any(drive):
        raise DeployError(
            f"'{name}' has a bias or a resting potential, which {chip} would add while the first spikes are still on their way"
        )


def _refuse(name: str, item: Item, reason: str) -> None:
    raise UnsupportedGraph([Refusal(name, type(item.node).__name__, reason)])


def _matrix(
    between: list[Item], reads: tuple[int, ...], out: tuple[int, ...], dt: float, method: Method
) -> tuple[np.ndarray, np.ndarray]:
    """(weight (neurons, sources), bias (neurons,)) of the composition of the nodes ``between``, float64."""
    sources, neurons = int(np.prod(reads)), int(np.prod(out))
    if sources * neurons > LIMIT:
        raise DeployError(f"{sources:,} x {neurons:,} synapses one by one are too many here; the limit is {LIMIT:,}")
    nodes = [float_node(item.node, item.shape, dt, method, "v_reset") for item in between]

    def apply(x: np.ndarray) -> np.ndarray:
        for node in nodes:
            x = node.step(x)  # type: ignore[assignment]  # something arrives, so something leaves
        return np.broadcast_to(x.reshape(len(x), -1), (len(x), neurons))

    bias = apply(np.zeros((1, *reads)))[0].copy()
    weight = np.empty((neurons, sources))
    for start in range(0, sources, BATCH):
        units = np.eye(min(BATCH, sources - start), sources, start).reshape(-1, *reads)
        weight[:, start : start + len(units)] = (apply(units) - bias).T
    return weight, bias
