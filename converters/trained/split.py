"""Two synapses for every weight: one holds its mantissa, the other what the first has rounded off.

Both reach the same neuron, so a chip needs no new feature, but twice the synapses and twice the additions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.fixed import to_mantissa
from processes.spiking import Graph, Node, Sum, Weighted, Wire


def split(graph: Graph, bits: int) -> Graph:
    """The graph with each layer NAME replaced by a sum of that name, of layers NAME.high and NAME.low.

    ``bits``: width of the mantissas. A layer whose weights are exact has no NAME.low.
    """
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
