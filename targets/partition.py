"""Cuts a network into parts that each run in one place, joined by single messages.

A cut is possible where all later nodes read one earlier node only (a residual stream between blocks). Cuts are taken
where the model's own block changes, so that a part is a transformer block. Routes straight from the network's input
(the mask of keys that take part, for example) prevent no cut: every part that reads them takes the input itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from processes.network import Network

BLOCK = re.compile(r"^(.*?\.\d+)(?:\.blocks\.\d+)?(?=\.|$)")
"""The block that a node's name begins with, such as "blocks.3", or "layers.1.blocks.0" of a hierarchical model."""


@dataclass(frozen=True)
class Part:
    """Consecutive nodes of a network that run in one place.

    Attributes:
        name: of the block, or "outside".
        nodes: names in the network's order; routes from the network's input are repeated in every part that reads them.
        sources: the previous part's sink and, where nodes of this part read it directly, the network's input.
        sink: the only node whose output later parts read.
    """

    name: str
    nodes: list[str]
    sources: list[str]
    sink: str


def by_block(network: Network) -> list[Part]:
    """Cut a network into parts, wherever the model's block changes and a cut is possible."""
    wired = {Network.INPUT, *(name for name in network.nodes if network.origin(name) == Network.INPUT)}
    names = [name for name in network.nodes if name not in wired]
    last_use = {source: i for i, name in enumerate(names) for source in network.nodes[name].inputs}
    parts: list[Part] = []
    begin, previous = 0, Network.INPUT
    live: set[str] = set()
    for i, name in enumerate(names):
        live.add(name)
        live = {n for n in live if last_use.get(n, -1) > i}
        end = i + 1 == len(names)
        if end or (len(live) == 1 and _block(names[i + 1]) != _block(names[begin])):
            sink = network.output if end else next(iter(live))
            if sink in names[begin : i + 1]:
                own = names[begin : i + 1]
                routes = _wiring(network, own, wired)
                reads_input = bool(routes) or any(Network.INPUT in network.nodes[n].inputs for n in own)
                sources = [previous, Network.INPUT] if reads_input and previous != Network.INPUT else [previous]
                parts.append(Part(_block(names[begin]), routes + own, sources, sink))
                begin, previous = i + 1, sink
    return parts


def _wiring(network: Network, names: list[str], wired: set[str]) -> list[str]:
    """Names of the routes from the network's input that ``names`` read, directly or through others, in order."""
    needed: set[str] = set()
    stack = [source for name in names for source in network.nodes[name].inputs]
    while stack:
        name = stack.pop()
        if name in wired and name != Network.INPUT:
            needed.add(name)
            stack += network.nodes[name].inputs
    return [name for name in network.nodes if name in needed]


def _block(name: str) -> str:
    found = BLOCK.match(name)
    return found.group(0) if found else "outside"
