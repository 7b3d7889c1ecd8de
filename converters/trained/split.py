"""Two synapses of 8 bits for every weight: one holds it, the other what the first has rounded off.

Both go to the same neuron, so a chip needs nothing new for it but twice the synapses and twice the additions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.fixed import to_mantissa
from processes.spiking import Graph, Node, Sum, Weighted, Wire


def split(graph: Graph, bits: int) -> Graph:
    """The graph with each layer as a sum, of the same name, of layers NAME.high and NAME.low."""
    nodes: dict[str, Node] = {}
    for name, node in graph.nodes.items():
        if not isinstance(node.op, Weighted):
            nodes[name] = node
            continue
        high = to_mantissa(node.op.weight, bits).value()
        low = replace(node.op, weight=node.op.weight - high, bias=None)
        parts = {f"{name}.high": replace(node.op, weight=high)}
        if np.any(low.weight):
            parts[f"{name}.low"] = low
        nodes |= {part: replace(node, op=op) for part, op in parts.items()}
        nodes[name] = Node(Sum(), tuple(Wire(part) for part in parts), node.shape, node.module)
    return replace(graph, nodes=nodes)
