"""Checks of single nodes of a NIR graph: their type, their parameters, whether they are connected."""

from __future__ import annotations

import nir
import numpy as np

from processes.errors import Refusal
from processes.nir_nodes.neurons import Method
from targets.nir_graph.kinds import KNOWN, NUMBERS


def check_nodes(
    nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], top: set[str], dt: float, method: Method,
    refusals: list[Refusal],
) -> None:  # fmt: skip
    """Append to ``refusals`` every reason for which a single node cannot run, and doubled edges.

    ``top`` holds the names outside nested graphs, where an Input is an entrance and an Output an exit.
    """
    known = ", ".join(kind.__name__ for kind in KNOWN)
    read, written = {target for _, target in edges}, {source for source, _ in edges}
    for name, node in nodes.items():
        kind = type(node).__name__
        reasons = [] if isinstance(node, KNOWN) else [f"no node type that runs here; known are {known}"]
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
        refusals.append(
            Refusal(twice[1], type(nodes[twice[1]]).__name__, f"two edges from {twice[0]}; use a Scale of 2")
        )


def _parameters(node: nir.NIRNode, dt: float, method: Method) -> list[str]:
    """Reasons why a node's parameters cannot run: no finite real numbers, time constants or delays out of range."""
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
