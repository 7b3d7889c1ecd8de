"""Prepares a NIR graph to run: flat, ordered, with every shape known; or refuses it with all reasons in one table.

Conventions where NIR leaves a choice:

* Several edges into a node add up. An edge carries a message within the step in which it is sent.
* A cycle has to contain a delay. A Delay of a step or more in the cycle provides it, and nothing is added. Where there
  is none, the messages that neurons send along the cycle arrive one step later.
* Signals have no batch axis: Flatten's axes count from the sample's first, as NIR's own shape rule has it.
* AvgPool2d divides by the kernel's area everywhere, padding included.
"""

from __future__ import annotations

import graphlib
import math
from dataclasses import dataclass

import nir
import numpy as np

from processes.errors import DeployError, Refusal, UnsupportedGraph
from processes.nir_nodes.neurons import Method
from targets.nir_graph.checks import check_nodes
from targets.nir_graph.cycles import Edge, find_sources
from targets.nir_graph.shapes import find_shapes


@dataclass(frozen=True)
class Item:
    """A node of a plan with its sources; ``reads`` and ``shape`` are the shapes of its input and output, per sample."""

    node: nir.NIRNode
    sources: tuple[Edge, ...]
    reads: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass
class Plan:
    """Items by name, each after its sources (carried edges aside).

    ``inputs`` and ``outputs`` name the graph's own Input and Output nodes; those of nested graphs only pass values on.
    """

    items: dict[str, Item]
    inputs: list[str]
    outputs: list[str]

    def readers(self) -> dict[str, list[str]]:
        """Names of the items that read each item."""
        found: dict[str, list[str]] = {name: [] for name in self.items}
        for name, item in self.items.items():
            for edge in item.sources:
                found[edge.source].append(name)
        return found


def make_plan(graph: nir.NIRGraph, dt: float, method: Method = "euler") -> Plan:
    """Flatten, check and order a graph.

    Args:
        graph: as :func:`evaluator.nir_reader.read_graph` returns it.
        dt: time step, in the unit of the graph's time constants (seconds by NIR's convention).
        method: of integrating the neurons; Euler needs dt <= tau.

    Raises:
        UnsupportedGraph: the graph cannot run; it has every reason that was found.
        DeployError: ``dt`` is not above 0.
    """
    if not (math.isfinite(dt) and dt > 0):
        raise DeployError(f"--dt {dt}: the time step must be above 0, in the unit of the graph's time constants")
    refusals: list[Refusal] = []
    nodes, edges = flatten(graph, refusals)
    check_nodes(nodes, edges, set(graph.nodes), dt, method, refusals)
    if refusals:
        raise UnsupportedGraph(refusals)
    sources = find_sources(nodes, edges, dt, refusals)
    shapes = {} if refusals else find_shapes(nodes, sources, refusals)
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


def flatten(graph: nir.NIRGraph, refusals: list[Refusal]) -> tuple[dict[str, nir.NIRNode], list[tuple[str, str]]]:
    """Nodes by dotted name and edges between them, nested graphs replaced by their content; adds to ``refusals``."""
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
            doors = [
                [n for n, inner in node.nodes.items() if isinstance(inner, kind)] for kind in (nir.Input, nir.Output)
            ]
            if "op" in node.metadata:
                op = np.asarray(node.metadata["op"]).item()
                refusals.append(Refusal(full, "NIRGraph", f"operation '{op}' of a deploy network inside another graph"))
            elif len(doors[0]) != 1 or len(doors[1]) != 1:
                counts = f"{len(doors[0])} inputs and {len(doors[1])} outputs"
                refusals.append(
                    Refusal(full, "NIRGraph", f"a nested graph with {counts}; NIR's edges need one of each")
                )
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
