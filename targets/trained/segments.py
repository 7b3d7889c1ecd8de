"""Runs a captured network with its plain segments (a layer and its neurons) in another simulator, the rest here.

The network runs node by node, each node for all time steps, so that a simulator steps a segment like a whole network,
whose frames are the messages of the node before. Tokens share a dense layer, so each token is a sample of the segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from processes.errors import DeployError
from processes.spiking import Graph, Layout, Neuron, Node, Source, Weighted, Wire
from targets.simulators import check_simulator, simulate
from targets.trained.nir import DT, NoForm, leak_of, standard
from targets.trained.program import compile_float
from targets.trained.sinabs import for_sinabs

STEPS = {"snntorch": 1e-4, "spikingjelly": 1e-4, "norse": 1e-3}
"""By simulator that uses Euler's method: the time step that it assumes, in seconds."""
Simulate = Callable[[Graph, np.ndarray], np.ndarray]
"""(segment's graph, inputs (N, T, *shape)) -> spikes (N, T, *shape) of its neurons."""


def dialect(graph: Graph, simulator: str) -> nir.NIRGraph:
    """Convert a captured network to standard NIR in the dialect of a simulator.

    Raises:
        UnsupportedGraph: with every node that has no such form.
        DeployError: the simulator is unknown.
    """
    if simulator == "sinabs":
        return for_sinabs(standard(graph, DT))
    if simulator not in STEPS:
        raise DeployError(f"{simulator}: segments of trained networks run in sinabs, {', '.join(STEPS)}")
    return standard(graph, STEPS[simulator])


def simulated_by(simulator: str) -> Simulate:
    """Return a function that steps segments in a simulator.

    Raises:
        DeployError: the simulator is unknown, or not installed.
    """
    check_simulator(simulator)

    def steps(graph: Graph, inputs: np.ndarray) -> np.ndarray:
        _, spikes = simulate(simulator, dialect(graph, simulator), inputs)
        return next(iter(spikes.values()))

    return steps


@dataclass(frozen=True)
class Segment:
    """A layer and its neurons as a network of their own.

    Attributes:
        layer: name of the layer's node.
        neuron: name of the neurons' node.
        axes: number of last axes of the layer's input that form a sample of the segment; the axes before are samples.
        graph: the segment as a network.
    """

    layer: str
    neuron: str
    axes: int
    graph: Graph


def cut(graph: Graph) -> list[Segment]:
    """Find every segment of a network: a layer whose only reader is a population that has a standard form."""
    readers, found = graph.readers(), list[Segment]()
    for name, node in graph.nodes.items():
        if not isinstance(node.op, Neuron) or node.op.emits is not None or len(node.wires) != 1:
            continue
        layer = node.wires[0].source
        while isinstance(graph.nodes[layer].op, Layout) and _reshapes(graph, layer) and len(readers[layer]) == 1:
            layer = graph.nodes[layer].wires[0].source
        op = graph.nodes[layer].op
        if not isinstance(op, Weighted) or len(readers[layer]) != 1 or _carried(graph, (layer, name)):
            continue
        segment = _segment(graph, layer, name)
        if segment is not None:
            found.append(segment)
    return found


def run(graph: Graph, x: np.ndarray, segments: list[Segment], simulate: Simulate) -> dict[str, np.ndarray]:
    """Run frames x (samples, T, *shape of the input); returns every node's messages, float64 (samples, T, *shape).

    The neurons of ``segments`` are stepped by ``simulate``, all other nodes here.

    Raises:
        DeployError: a wire carries messages to the next step, so that nodes cannot run one after the other.
    """
    if late := [name for name, node in graph.nodes.items() if any(wire.carried for wire in node.wires)]:
        raise DeployError(
            f"{late[0]}: hears a step later what it sends; segments run one after the other, so run it whole"
        )
    stages, steps = compile_float(graph).stages, x.shape[1]
    ends = {segment.neuron: segment for segment in segments}
    values = {graph.input: np.asarray(x, np.float64)}
    for name, node in graph.nodes.items():
        if isinstance(node.op, Source):
            continue
        if name in ends:
            values[name] = _simulated(graph, ends[name], values, simulate)
            continue
        stage: Any = stages[name].node
        stage.reset()
        sent = [stage.step(*(values[wire.source][:, t] for wire in node.wires)) for t in range(steps)]
        values[name] = np.stack([np.broadcast_to(y, (len(x), *node.shape)) for y in sent], 1)
    return values


def _simulated(graph: Graph, segment: Segment, values: dict[str, np.ndarray], simulate: Simulate) -> np.ndarray:
    """Spikes of a segment's neurons from the simulator, float64 (samples, T, *shape), given all messages before."""
    source = graph.nodes[segment.layer].wires[0].source
    arriving, shape = values[source], graph.nodes[segment.neuron].shape
    steps, inside = arriving.shape[1], arriving.shape[arriving.ndim - segment.axes :]
    rows = np.moveaxis(arriving.reshape(len(arriving), steps, -1, *inside), 1, 2)
    spikes = np.asarray(simulate(segment.graph, rows.reshape(-1, steps, *inside)), np.float64)
    spikes = spikes.reshape(len(arriving), -1, *spikes.shape[1:])
    return np.moveaxis(spikes, 2, 1).reshape(len(arriving), steps, *shape)


def _segment(graph: Graph, layer: str, neuron: str) -> Segment | None:
    """The segment of a layer and its neurons; None if these have no standard form with one value per parameter."""
    node, population = graph.nodes[layer], graph.nodes[neuron]
    assert isinstance(node.op, Weighted) and isinstance(population.op, Neuron)
    axes = len(node.op.stride) + 1
    reads = graph.nodes[node.wires[0].source].shape[-axes:]
    makes = node.shape[-axes:]
    rule = population.op.rule
    try:
        leak = leak_of(rule)
    except NoForm:
        return None
    if any(np.size(value) != 1 for value in (leak.k, leak.g, leak.c, leak.theta, leak.v_reset)):
        return None  # parameters of single neurons depend on axes that a sample of the segment lacks
    nodes = {
        "input": Node(Source(), (), (1, *reads)),
        "layer": Node(node.op, (Wire("input"),), (1, *makes)),
        "neuron": Node(population.op, (Wire("layer"),), (1, *makes)),
    }
    return Segment(layer, neuron, axes, Graph(nodes, "input", "neuron", reads))


def _reshapes(graph: Graph, name: str) -> bool:
    """Whether a node is a layout that leaves all values in their order."""
    op = graph.nodes[name].op
    return isinstance(op, Layout) and bool((op.index.ravel() == np.arange(op.index.size)).all())


def _carried(graph: Graph, names: tuple[str, ...]) -> bool:
    """Whether a wire into one of the nodes carries messages to the next step."""
    return any(wire.carried for name in names for wire in graph.nodes[name].wires)
