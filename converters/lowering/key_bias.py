"""Dropping the bias of keys: q . b_k is the same for every key of a row, so that softmax cancels it.

Without the bias, keys need less range. All this holds where a product sums over the projection's features. Attention
between channels (DaViT, XCiT) sums over tokens: there each key has a bias of its own, and keeps it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from processes.network import DenseSynapse, Network, Route, SiExp, TraceProduct, Woss
from processes.operation import Operation
from processes.routing import apply


def drop_key_biases(network: Network) -> None:
    """Zero the biases of a network's dense rows that only feed keys of a softmax, in place.

    Rows of padded keys, rows with other uses and rows whose bias differs between keys keep their biases.
    """
    labels, uses = _uses(network)
    for name, node in list(network):
        readers = [network[reader] for reader in network.readers(name)]
        if not isinstance(node.op, TraceProduct) or not readers or not all(_ignores_shifts(r) for r in readers):
            continue
        neuron = network.origin(node.inputs[1])
        dense = network.nodes[neuron].inputs[0] if neuron != Network.INPUT else Network.INPUT
        op = None if dense == Network.INPUT else network[dense]
        if not isinstance(op, DenseSynapse) or network.readers(dense) != [neuron]:
            continue
        rows = uses[neuron]
        keys = rows.pop((name, 1))
        others = [row for use, found in rows.items() if use != (name, 1) for row in found]
        rows[(name, 1)] = keys
        if 0 in keys or np.intersect1d(keys, others).size:
            continue
        if not _same_for_every_key(labels[node.inputs[1]], node.op):
            continue
        bias = op.bias.copy()
        bias[keys - 1] = 0.0
        network.put(dense, replace(op, bias=bias))


def _ignores_shifts(op: Operation) -> bool:
    """Whether a softmax is invariant to a shift of a whole row, as it takes the row's largest value off."""
    return isinstance(op, Woss) or (isinstance(op, SiExp) and op.clock is not None)


def _same_for_every_key(features: torch.Tensor, op: TraceProduct) -> bool:
    """Whether a product's second operand, given as numbers of features, has the same features for every key."""
    keys = -2 if op.transpose_b else -1
    return bool((features == features.narrow(keys, 0, 1)).all())


def _uses(network: Network) -> tuple[dict[str, torch.Tensor], dict[str, dict[tuple[str, int], np.ndarray]]]:
    """Features by node, and their uses.

    Returns:
        By node, the number of the feature behind each value (from 1; 0 is padding), in the node's shape. By origin of
        spikes, which of its features reach which operand of which node, {(node, operand): numbers}.
    """
    labels: dict[str, torch.Tensor] = {}
    uses: dict[str, dict[tuple[str, int], np.ndarray]] = {}
    for name, node in network:
        for operand, source in enumerate(node.inputs):
            if source == Network.INPUT:
                continue
            reached = labels[source]
            if isinstance(node.op, Route):
                labels[name] = apply(reached, node.op.chain, 0)
            else:
                once = tuple(slice(1) if stride == 0 else slice(None) for stride in reached.stride())  # of what repeats
                found = np.unique(reached[once].numpy())
                uses.setdefault(network.origin(source), {})[(name, operand)] = found
        if name not in labels:
            labels[name] = torch.arange(1, node.op.shape[-1] + 1).expand(node.op.shape)
    return labels, uses
