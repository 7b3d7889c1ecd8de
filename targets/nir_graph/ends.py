"""Repairs of doubled edges, and of Inputs and Outputs that are missing, unused, or in the middle of a graph."""

from __future__ import annotations

import copy
from typing import Any, cast

import nir

from evaluator.nir_versions import Repair


def mend_structure(graph: nir.NIRGraph) -> list[Repair]:
    """Repair Inputs and Outputs in ``graph``, in place: take out those in the middle or unused, add missing ones."""
    repairs: list[Repair] = []
    for name, node in list(graph.nodes.items()):
        before = [a for a, b in graph.edges if b == name]
        behind = [b for a, b in graph.edges if a == name]
        if isinstance(node, nir.Input) and before and name not in before:
            graph.edges = [e for e in graph.edges if name not in e] + [(a, b) for a in before for b in behind]
            del graph.nodes[name]
            repairs.append(
                did(name, node, f"an Input that {', '.join(before)} leads to: taken out, what it read goes on")
            )
        elif isinstance(node, nir.Output) and before and behind and name not in before:
            graph.edges = [e for e in graph.edges if e[0] != name] + [(a, b) for a in before for b in behind]
            repairs.append(did(name, node, f"an Output that leads on: {', '.join(behind)} now reads what it reads"))
        elif isinstance(node, nir.Input) and not behind and len(graph.inputs) > 1:
            del graph.nodes[name]
            repairs.append(did(name, node, "an Input that nothing reads, beside others: taken out"))
    ends: tuple[tuple[Any, int], ...] = ((nir.Input, 1), (nir.Output, 0))
    for kind, end in ends:
        if any(isinstance(node, kind) for node in graph.nodes.values()):
            continue
        touched = {edge[end] for edge in graph.edges}
        for name in [n for n in graph.nodes if n not in touched]:
            types = graph.nodes[name].input_type if kind is nir.Input else graph.nodes[name].output_type
            shape: Any = next(iter(types.values())) if types else None
            if shape is None and kind is nir.Input:
                continue
            label = f"{kind.__name__.lower()}_{name}"
            graph.nodes[label] = kind({kind.__name__.lower(): cast(Any, shape)})
            graph.edges.append((label, name) if kind is nir.Input else (name, label))
            repairs.append(did(label, graph.nodes[label], "the graph has none: put in, as nir itself does"))
    return repairs


def mend_edges(graph: nir.NIRGraph) -> list[Repair]:
    """Remove from ``graph``, in place, all but one of several equal edges; these repairs are not harmless."""
    twice = sorted({edge for edge in graph.edges if graph.edges.count(edge) > 1})
    graph.edges = list(dict.fromkeys(graph.edges))
    return [
        Repair(b, type(graph.nodes[b]).__name__, f"the edge from {a} was there twice: once now", harmless=False)
        for a, b in twice
        if b in graph.nodes
    ]


def did(name: str, node: nir.NIRNode, what: str) -> Repair:
    """Describe a harmless repair of a node: one that excludes no other reading of the file."""
    return Repair(name, type(node).__name__, what)


def copied(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Copy the graph and its nodes, nested ones too, without copying arrays."""
    new = copy.copy(graph)
    new.nodes = {
        name: copied(node) if isinstance(node, nir.NIRGraph) else copy.copy(node) for name, node in graph.nodes.items()
    }
    new.edges = list(graph.edges)
    return new
