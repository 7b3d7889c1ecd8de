"""Finds the edges of a cycle whose messages arrive one step later, so that every cycle can be stepped.

A Delay of a step or more in a cycle provides that step, and nothing is added. In a cycle without such a Delay, the
messages that neurons send along the cycle arrive one step later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import nir
import numpy as np
import scipy.sparse

from processes.errors import Refusal
from targets.nir_graph.kinds import NEURONS


@dataclass(frozen=True)
class Edge:
    """The source of one of a node's inputs; ``carried``: its messages arrive one step later."""

    source: str
    carried: bool = False


def delay_steps(node: nir.Delay, dt: float) -> np.ndarray:
    """A Delay in whole steps, int64: delay / dt rounded to the nearest."""
    return np.rint(np.asarray(node.delay, np.float64) / dt).astype(np.int64)


def find_sources(
    nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], dt: float, refusals: list[Refusal]
) -> dict[str, list[Edge]]:
    """Return the edges into each node, with at least one carried to the next step in every cycle.

    A Delay in ``nodes`` whose input edges are carried is replaced by a copy that is shorter by ``dt``. A cycle without
    a neuron or a Delay of a step is appended to ``refusals``.
    """
    carried: set[tuple[str, str]] = set()
    for pick in (_into_delays(nodes, dt), _from_neurons(nodes)):
        carried |= {edge for edge in _in_cycles(nodes, [e for e in edges if e not in carried]) if pick(edge)}
    # either all of a Delay's edges are carried or none, so that a shorter delay can make up for the step
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


def _into_delays(nodes: dict[str, nir.NIRNode], dt: float) -> Callable[[tuple[str, str]], bool]:
    """A function that tells whether an edge leads into a Delay of a step or more."""
    long = {name for name, node in nodes.items() if isinstance(node, nir.Delay) and delay_steps(node, dt).min() >= 1}
    return lambda edge: edge[1] in long


def _from_neurons(nodes: dict[str, nir.NIRNode]) -> Callable[[tuple[str, str]], bool]:
    """A function that tells whether an edge comes from a neuron."""
    return lambda edge: isinstance(nodes[edge[0]], NEURONS)


def _in_cycles(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges that are part of a cycle: both ends lie in the same strongly connected component."""
    if not edges:
        return []
    number = {name: i for i, name in enumerate(nodes)}
    rows, columns = ([number[edge[end]] for edge in edges] for end in (0, 1))
    links = scipy.sparse.csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, part = scipy.sparse.csgraph.connected_components(links, connection="strong")
    return [edge for edge, a, b in zip(edges, rows, columns, strict=True) if part[a] == part[b]]
