"""Cutting a network into groups of nodes that each run in one place, joined by single messages.

A cut is possible where one node alone is used by everything that comes later (a residual stream between blocks). Cuts
are taken where the model's own block changes, so that a group is a transformer block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from processes.network import Network

BLOCK = re.compile(r"^(.*?\.\d+)(?:\.blocks\.\d+)?(?=\.|$)")


@dataclass(frozen=True)
class Part:
    """Nodes in order; ``source`` feeds them, ``sink`` is the one that later parts use."""

    name: str
    nodes: list[str]
    source: str
    sink: str


def by_block(network: Network) -> list[Part]:
    """One part per block of the model, with what precedes the first and follows the last."""
    names = list(network.nodes)
    last_use = {source: i for i, name in enumerate(names) for source in network.nodes[name].inputs}
    parts: list[Part] = []
    begin, source = 0, Network.INPUT
    live: set[str] = {Network.INPUT}
    for i, name in enumerate(names):
        live.add(name)
        live = {n for n in live if last_use.get(n, -1) > i}
        end = i + 1 == len(names)
        if end or (len(live) == 1 and _block(names[i + 1]) != _block(names[begin])):
            sink = network.output if end else next(iter(live))
            if sink in names[begin : i + 1]:
                parts.append(Part(_block(names[begin]), names[begin : i + 1], source, sink))
                begin, source = i + 1, sink
    return parts


def _block(name: str) -> str:
    found = BLOCK.match(name)
    return found.group(0) if found else "outside"
