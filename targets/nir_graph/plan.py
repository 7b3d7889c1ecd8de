"""A NIR graph made ready to run: flat, ordered, every shape known; or one table of all that stands in the way.

Rules that NIR leaves open:

* Several edges into a node add up. An edge carries a message within the step in which it is sent.
* In a cycle messages need a step somewhere. A Delay of a step or more in the cycle provides it, and nothing is added.
  Where there is none, what a neuron sends along the cycle arrives one step later.
* Signals have no batch axis: Flatten's axes count from the sample's first, as NIR's own shape rule has it.
* AvgPool2d divides by the kernel's area everywhere, padding included.
"""

from __future__ import annotations

import graphlib
import math
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import scipy.sparse

from processes.errors import DeployError, Refusal, UnsupportedGraph
from processes.nir_nodes.neurons import Method

NEURONS = (nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF)
SPIKING = (nir.IF, nir.LIF, nir.CubaLIF)
WEIGHTED = (nir.Affine, nir.Linear, nir.Scale, nir.Conv1d, nir.Conv2d)
POOLS = (nir.SumPool2d, nir.AvgPool2d)
KNOWN = (*NEURONS, *WEIGHTED, *POOLS, nir.Threshold, nir.Delay, nir.Flatten, nir.Input, nir.Output)
LIMIT = 2**27
"""Values of one signal at one step: 1 GB in float64."""


@dataclass(frozen=True)
class Edge:
    """Where an input comes from; ``carried``: it arrives a step later."""

    source: str
    carried: bool = False


@dataclass(frozen=True)
class Item:
    """A node that runs; ``shape`` is that of its output, ``reads`` that of its input."""

    node: nir.NIRNode
    sources: tuple[Edge, ...]
    reads: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass
class Plan:
    """Items in an order in which sources come first (but for carried edges).

    ``inputs`` and ``outputs`` name the graph's own; those of nested graphs only pass on.
    """

    items: dict[str, Item]
    inputs: list[str]
    outputs: list[str]

    def readers(self) -> dict[str, list[str]]:
        """Who reads each item."""
        found: dict[str, list[str]] = {name: [] for name in self.items}
        for name, item in self.items.items():
            for edge in item.sources:
                found[edge.source].append(name)
        return found


def make_plan(graph: nir.NIRGraph, dt: float, method: Method = "euler") -> Plan:
    """Flatten, order and check a graph.

    Args:
        graph: as ``read_graph`` returns it.
        dt: time step, in the unit of the graph's time constants (seconds by NIR's convention).
        method: of integrating the neurons; Euler needs dt <= tau.

    Raises:
        UnsupportedGraph: with every refusal.
    """
    if not (math.isfinite(dt) and dt > 0):
        raise DeployError(f"--dt {dt}: the time step must be above 0, in the unit of the graph's time constants")
    refusals: list[Refusal] = []
    nodes, edges = _flatten(graph, refusals)
    _check_nodes(nodes, edges, set(graph.nodes), dt, method, refusals)
    if refusals:
        raise UnsupportedGraph(refusals)
    sources = _sources(nodes, edges, dt, refusals)
    shapes = {} if refusals else _shapes(nodes, sources, refusals)
    if refusals:
        raise UnsupportedGraph(refusals)
    order = graphlib.TopologicalSorter(
        {name: [e.source for e in sources[name] if not e.carried] for name in sorted(nodes)}
    )
    items: dict[str, Item] = {}
    for name in order.static_order():
        reads = shapes[sources[name][0].source] if sources[name] else shapes[name]
        items[name] = Item(nodes[name], tuple(sources[name]), reads, shapes[name])
    doors = ([name for name in graph.nodes if isinstance(nodes.get(name), kind)] for kind in (nir.Input, nir.Output))
    return Plan(items, *doors)


def delay_steps(node: nir.Delay, dt: float) -> np.ndarray:
    """Whole steps of a Delay, int64: delay / dt rounded to the nearest."""
    return np.rint(np.asarray(node.delay, np.float64) / dt).astype(np.int64)


def _flatten(
    graph: nir.NIRGraph, refusals: list[Refusal]
) -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """Nodes by dotted name and edges between them; nested graphs are replaced by their content."""
    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    waiting: list[tuple[str, nir.NIRGraph]] = [("", graph)]
    while waiting:
        prefix, part = waiting.pop()
        entries: dict[str, str] = {}
        exits: dict[str, str] = {}
        for name, node in part.nodes.items():
            full = f"{prefix}{name}"
            entries[name] = exits[name] = full
            if not isinstance(node, nir.NIRGraph):
                if full in nodes:
                    refusals.append(Refusal(full, type(node).__name__, "a nested node of the same name; rename one"))
                nodes[full] = node
                continue
            doors = [[n for n, inner in node.nodes.items() if isinstance(inner, kind)] for kind in (nir.Input, nir.Output)]
            if "op" in node.metadata:
                op = np.asarray(node.metadata["op"]).item()
                refusals.append(Refusal(full, "NIRGraph", f"operation '{op}' of a deploy network inside another graph"))
            elif len(doors[0]) != 1 or len(doors[1]) != 1:
                counts = f"{len(doors[0])} inputs and {len(doors[1])} outputs"
                refusals.append(Refusal(full, "NIRGraph", f"a nested graph with {counts}; NIR's edges need one of each"))
            else:
                entries[name], exits[name] = (f"{full}.{door[0]}" for door in doors)
                waiting.append((f"{full}.", node))
        for edge in part.edges:
            source, target = edge
            if missing := [end for end in (source, target) if end not in part.nodes]:
                refusals.append(Refusal(f"{prefix}{missing[0]}", "missing", f"an edge {source} -> {target} needs it"))
                continue
            edges.append((exits[source], entries[target]))
    return nodes, edges


def _check_nodes(
    nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], top: set[str], dt: float, method: Method,
    refusals: list[Refusal],
) -> None:  # fmt: skip
    """Everything that can be said about a node by itself; ``top`` are the names outside nested graphs."""
    read, written = {target for _, target in edges}, {source for source, _ in edges}
    for name, node in nodes.items():
        kind = type(node).__name__
        reasons = [f"no node type that runs here; known are {_names(KNOWN)}"] if not isinstance(node, KNOWN) else []
        reasons += _parameters(node, dt, method)
        if isinstance(node, nir.Input) and name in top:
            reasons += ["an input that something leads to"] if name in read else []
        elif name not in read:
            reasons.append("nothing leads to it; connect it to an Input")
        if isinstance(node, nir.Output) and name in written and name in top:
            reasons.append("an output that leads on")
        refusals += [Refusal(name, kind, reason) for reason in reasons]
    for kind in (nir.Input, nir.Output):
        if not any(isinstance(node, kind) for node in nodes.values()):
            refusals.append(Refusal("graph", "NIRGraph", f"has no {kind.__name__} node"))
    if len(set(edges)) < len(edges):
        twice = next(edge for i, edge in enumerate(edges) if edge in edges[:i])
        refusals.append(Refusal(twice[1], type(nodes[twice[1]]).__name__, f"two edges from {twice[0]}; use a Scale of 2"))


def _names(kinds: tuple[type, ...]) -> str:
    return ", ".join(kind.__name__ for kind in kinds)


NUMBERS: dict[type, tuple[str, ...]] = {
    nir.I: ("r",), nir.IF: ("r", "v_threshold", "v_reset"), nir.LI: ("tau", "r", "v_leak"),
    nir.LIF: ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    nir.CubaLI: ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    nir.CubaLIF: ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
    nir.Affine: ("weight", "bias"), nir.Linear: ("weight",), nir.Scale: ("scale",), nir.Delay: ("delay",),
    nir.Conv1d: ("weight", "bias"), nir.Conv2d: ("weight", "bias"), nir.Threshold: ("threshold",),
}  # fmt: skip
"""Parameters that are arrays of real numbers."""


def _parameters(node: nir.NIRNode, dt: float, method: Method) -> list[str]:
    """What is wrong with a node's numbers."""
    reasons: list[str] = []
    for field in NUMBERS.get(type(node), ()):
        value = np.asarray(getattr(node, field))
        if value.dtype.kind not in "biuf":
            return [f"{field} is {value.dtype}, not real numbers"]
        if not value.size or not np.isfinite(value).all():
            return [f"{field} is empty or holds NaN or infinity"]
        if field.startswith("tau"):
            least = value.min()
            if least <= 0:
                return [f"{field} reaches {least:g}; time constants are above 0"]
            if method == "euler" and least < dt * (1 - 1e-6):
                reasons.append(f"{field} reaches {least:g}, below dt = {dt:g}; give a smaller --dt or --method exact")
        if field == "delay" and value.min() < 0:
            reasons.append(f"delay reaches {value.min():g}; a message cannot arrive before it is sent")
    return reasons


def _sources(
    nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], dt: float, refusals: list[Refusal]
) -> dict[str, list[Edge]]:
    """Edges into each node, with those of cycles carried over to the next step."""
    carried: set[tuple[str, str]] = set()
    for pick in (_into_delays(nodes, dt), _from_neurons(nodes)):
        carried |= {edge for edge in _in_cycles(nodes, [e for e in edges if e not in carried]) if pick(edge)}
    # all of a Delay's edges or none, so that its own steps can make up for it
    shortened = {target for _, target in carried if isinstance(nodes[target], nir.Delay)}
    carried |= {edge for edge in edges if edge[1] in shortened}
    for name in shortened:
        node: Any = nodes[name]
        nodes[name] = replace(node, delay=np.asarray(node.delay, np.float64) - dt)
    if left := _in_cycles(nodes, [e for e in edges if e not in carried]):
        ring = ", ".join(sorted({name for edge in left for name in edge})[:5])
        reason = f"part of a cycle without a neuron or a Delay of a step (dt = {dt:g}): {ring}; put one in"
        refusals.append(Refusal(left[0][0], type(nodes[left[0][0]]).__name__, reason))
    found: dict[str, list[Edge]] = {name: [] for name in nodes}
    for edge in edges:
        found[edge[1]].append(Edge(edge[0], edge in carried))
    return found


def _into_delays(nodes: dict[str, nir.NIRNode], dt: float):
    long = {name for name, node in nodes.items() if isinstance(node, nir.Delay) and delay_steps(node, dt).min() >= 1}
    return lambda edge: edge[1] in long


def _from_neurons(nodes: dict[str, nir.NIRNode]):
    return lambda edge: isinstance(nodes[edge[0]], NEURONS)


def _in_cycles(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges whose ends reach each other."""
    if not edges:
        return []
    number = {name: i for i, name in enumerate(nodes)}
    rows, columns = ([number[edge[end]] for edge in edges] for end in (0, 1))
    links = scipy.sparse.csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, part = scipy.sparse.csgraph.connected_components(links, connection="strong")
    return [edge for edge, a, b in zip(edges, rows, columns, strict=True) if part[a] == part[b]]


def _shapes(
    nodes: dict[str, nir.NIRNode], sources: dict[str, list[Edge]], refusals: list[Refusal]
) -> dict[str, tuple[int, ...]]:
    """Output shape of every node, from the inputs onwards; a neuron's parameters broadcast to what it reads."""
    shapes: dict[str, tuple[int, ...]] = {}
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for name, edges in sources.items():
        for edge in edges:
            readers[edge.source].append(name)
    ready = [name for name, node in nodes.items() if not sources[name]]
    while ready:
        name = ready.pop()
        if name in shapes:
            continue
        known = [shapes[e.source] for e in sources[name] if e.source in shapes]
        try:
            shape = output_shape(nodes[name], known[0] if known else None)
            if math.prod(shape) > LIMIT or any(n < 1 for n in shape):
                raise ValueError(f"would put out {_written(shape)} values at every step; the limit is {LIMIT:,}")
        except (ValueError, TypeError, IndexError) as error:
            refusals.append(Refusal(name, type(nodes[name]).__name__, " ".join(str(error).split())))
            return shapes
        shapes[name] = shape
        ready += readers[name]
    for name, node in nodes.items():
        if name not in shapes:
            refusals.append(Refusal(name, type(node).__name__, "no Input leads to it, so its shape is unknown"))
            continue
        for edge in sources[name]:
            if edge.source in shapes and (reads := shapes[edge.source]) != shapes[sources[name][0].source]:
                first = f"{sources[name][0].source} has {_written(shapes[sources[name][0].source])}"
                reason = f"adds up different shapes: {edge.source} has {_written(reads)}, {first}"
                refusals.append(Refusal(name, type(node).__name__, reason))
                break
    return shapes


def _written(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one"


def output_shape(node: Any, reads: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one sample's output.

    Raises:
        ValueError: the node cannot read such a shape.
    """
    if isinstance(node, nir.Input):
        declared = _integers(node.input_type["input"], "shape")
        return declared if reads is None else _same(declared, reads)
    if reads is None:
        raise ValueError("its own output is all that leads to it")
    if isinstance(node, nir.Output):
        declared = node.output_type["output"]
        return reads if declared is None else _same(_integers(declared, "shape"), reads)
    if isinstance(node, nir.Affine | nir.Linear):
        weight = node.weight
        if weight.ndim < 2 or reads[-1:] != weight.shape[-1:] or (weight.ndim > 2 and weight.shape[:-2] != reads[:-1]):
            raise ValueError(f"weight {_written(weight.shape)} does not fit an input of {_written(reads)}")
        shape = (*reads[:-1], weight.shape[-2])
        return shape if isinstance(node, nir.Linear) else _broadcast(node, ("bias",), shape)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        return _conv_shape(node, reads)
    if isinstance(node, POOLS):
        kernel, stride, padding = (pair(getattr(node, f), 2, f) for f in ("kernel_size", "stride", "padding"))
        return (*reads[:-2], *_positions(reads[-2:], kernel, stride, [(p, p) for p in padding], (1, 1)))
    if isinstance(node, nir.Flatten):
        declared = node.input_type["input"]
        shape = reads if declared is None else _same(_integers(declared, "input_type"), reads)
        first, last = int(np.asarray(node.start_dim).item()), int(np.asarray(node.end_dim).item())
        first, last = (axis + len(shape) if axis < 0 else axis for axis in (first, last))
        if not 0 <= first <= last < len(shape):
            # NIR allows to flatten from behind the last axis of a sample that is flat already
            if len(shape) == 1 and first == 1:
                return shape
            raise ValueError(f"start_dim {first} to end_dim {last} are no axes of {_written(shape)}")
        return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    return _broadcast(node, NUMBERS[type(node)], reads)


def _same(declared: tuple[int, ...], reads: tuple[int, ...]) -> tuple[int, ...]:
    if declared != reads:
        raise ValueError(f"declares {_written(declared)} and gets {_written(reads)}")
    return reads


def _broadcast(node: Any, fields: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    for field in fields:
        value = np.shape(getattr(node, field))
        try:
            fits = np.broadcast_shapes(value, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{field} has shape {_written(value)}, which does not fit {_written(shape)}")
    return shape


def conv_geometry(node: Any) -> tuple[tuple[int, ...], list[tuple[int, int]], tuple[int, ...], int]:
    """(stride, padding before and after, dilation, groups) of a convolution, 'same' and 'valid' spelt out."""
    axes = node.weight.ndim - 2
    stride, dilation = (pair(getattr(node, f), axes, f) for f in ("stride", "dilation"))
    groups = int(np.asarray(node.groups).item())
    padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    if isinstance(padding, np.ndarray) and padding.dtype.kind in "OSU" and padding.size == 1:
        padding = str(padding.item())
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and max(stride) > 1):
            raise ValueError(f"padding '{padding}' with stride {stride}: 'valid', numbers, or 'same' with stride 1")
        total = [(k - 1) * d * (padding == "same") for k, d in zip(node.weight.shape[2:], dilation, strict=True)]
        return stride, [(t // 2, t - t // 2) for t in total], dilation, groups
    return stride, [(p, p) for p in pair(padding, axes, "padding")], dilation, groups


def _conv_shape(node: Any, reads: tuple[int, ...]) -> tuple[int, ...]:
    axes = 1 if isinstance(node, nir.Conv1d) else 2
    weight = node.weight
    if weight.ndim != 2 + axes or len(reads) != 1 + axes:
        raise ValueError(f"weight {_written(weight.shape)} does not fit an input of {_written(reads)}")
    stride, padding, dilation, groups = conv_geometry(node)
    if groups < 1 or weight.shape[0] % groups or weight.shape[1] * groups != reads[0]:
        raise ValueError(f"weight {_written(weight.shape)} in {groups} groups does not fit {reads[0]} channels")
    if node.input_shape is not None:
        _same(_integers(node.input_shape, "input_shape"), reads[1:])
    if np.shape(node.bias) not in ((), (1,), (weight.shape[0],)):
        raise ValueError(f"bias has shape {_written(np.shape(node.bias))} for {weight.shape[0]} channels")
    return (weight.shape[0], *_positions(reads[1:], weight.shape[2:], stride, padding, dilation))


def _positions(
    space: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: list[tuple[int, int]],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:  # fmt: skip
    if len(space) != len(kernel):
        raise ValueError(f"reads {len(kernel)} axes of pixels, and its input is {_written(space)}")
    if min(stride) < 1 or min(dilation) < 1 or min(kernel) < 1 or min(map(min, padding)) < 0:
        raise ValueError(f"stride {stride}, dilation {dilation} and kernel {kernel} are at least 1, padding at least 0")
    room = [n + sum(p) - (k - 1) * d - 1 for n, k, p, d in zip(space, kernel, padding, dilation, strict=True)]
    if min(room) < 0:
        raise ValueError(f"kernel {_written(kernel)} is larger than its input of {_written(space)}, padding included")
    if math.prod(n + sum(p) for n, p in zip(space, padding, strict=True)) > LIMIT:
        raise ValueError(f"padding {padding} makes the input larger than {LIMIT:,} values")
    return tuple(n // s + 1 for n, s in zip(room, stride, strict=True))


def pair(value: Any, axes: int, field: str) -> tuple[int, ...]:
    """One integer per axis; a single one counts for all."""
    found = _integers(value, field)
    if len(found) not in (1, axes):
        raise ValueError(f"{field} has {len(found)} values for {axes} axes")
    return found * axes if len(found) == 1 else found


def _integers(value: Any, field: str) -> tuple[int, ...]:
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "iuf" or array.ndim != 1 or not np.isfinite(array).all() or (array != np.rint(array)).any():
        raise ValueError(f"{field} is {value!r}, not whole numbers")
    return tuple(int(n) for n in array)
