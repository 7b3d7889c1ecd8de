"""Folding: batch norms and scales go into the weights before them, and chains of layouts are joined.

The function that the graph computes stays the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from processes.spiking import Affine, Graph, Layout, Node, Weighted


def fold(graph: Graph) -> Graph:
    """Fold affine nodes into the weights or affine nodes before them, drop identities, and join layouts."""
    graph = _join_layouts(graph)
    for name in list(graph.nodes):
        node = graph.nodes[name]
        if isinstance(node.op, Affine) and (node.op.scale == 1).all() and not node.op.shift.any():
            graph = graph.without(name)
        elif isinstance(node.op, Affine) and (folded := _into_weights(graph, name, node, node.op)) is not None:
            graph = folded
    return _join_layouts(graph)


def _into_weights(graph: Graph, name: str, node: Node, op: Affine) -> Graph | None:
    """The graph without affine node ``name``, which goes into the layer or the affine node before it.

    None if that node has other readers, or the factors differ within a row (an output or a channel) of the layer.
    """
    readers = graph.readers()
    scale, shift = (np.broadcast_to(value, node.shape).ravel() for value in (op.scale, op.shift))
    source = node.wires[0].source
    while True:
        before = graph.nodes[source]
        if node.wires[0].carried or len(readers[source]) != 1:
            return None
        if not isinstance(before.op, Layout):
            break
        if len(before.wires) != 1 or not _permutes(before.op.index):
            return None
        back = np.empty_like(before.op.index.ravel())
        back[before.op.index.ravel()] = np.arange(before.op.index.size)
        scale, shift, source = scale[back], shift[back], before.wires[0].source
    scale, shift = scale.reshape(before.shape), shift.reshape(before.shape)
    if isinstance(before.op, Affine):
        merged: Affine | Weighted = Affine(scale * before.op.scale, scale * before.op.shift + shift)
    elif isinstance(before.op, Weighted):
        axis = -1 - len(before.op.stride)
        rows = [np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1) for value in (scale, shift)]
        if any((row != row[:, :1]).any() for row in rows):
            return None
        gain, offset = (row[:, 0] for row in rows)
        bias = np.zeros(len(gain)) if before.op.bias is None else before.op.bias
        weight = before.op.weight * gain.reshape(-1, *[1] * (before.op.weight.ndim - 1))
        merged = replace(before.op, weight=weight, bias=bias * gain + offset)
    else:
        return None
    nodes = dict(graph.nodes) | {source: replace(before, op=merged)}
    return replace(graph, nodes=nodes).without(name)


def _permutes(index: np.ndarray) -> bool:
    """Whether a layout takes every value once, without padding."""
    flat = index.ravel()
    return bool((np.sort(flat) == np.arange(flat.size)).all())


def _join_layouts(graph: Graph) -> Graph:
    """The graph with each Layout of a Layout as one, and without Layouts that change nothing or are not read."""
    for name in list(graph.nodes):
        node = graph.nodes[name]
        if not isinstance(node.op, Layout) or len(node.wires) != 1 or node.wires[0].carried:
            continue
        before = graph.nodes[node.wires[0].source]
        if isinstance(before.op, Layout):
            flat, index = before.op.index.ravel(), node.op.index
            joined = np.where(index < 0, -1, flat[np.maximum(index, 0)])
            node = replace(node, op=Layout(joined), wires=before.wires)
            graph = replace(graph, nodes=dict(graph.nodes) | {name: node})
    readers, kept = graph.readers(), graph
    for name, node in graph.nodes.items():
        if isinstance(node.op, Layout) and name != graph.output:
            if not readers[name]:
                kept = replace(kept, nodes={n: other for n, other in kept.nodes.items() if n != name})
            elif len(node.wires) == 1 and not node.wires[0].carried and _unchanged(graph, node, node.op):
                kept = kept.without(name)
    return kept


def _unchanged(graph: Graph, node: Node, op: Layout) -> bool:
    same = node.shape == graph.nodes[node.wires[0].source].shape
    return same and bool((op.index.ravel() == np.arange(op.index.size)).all())
