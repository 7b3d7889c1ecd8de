"""The key's bias: q . b_k is the same for every key of a row, so softmax does not see it. Left out, keys need less range."""

from __future__ import annotations

import numpy as np
import torch

from processes.network import DenseSynapse, Network, Route, SiExp, TraceProduct, Woss
from processes.operation import Operation
from processes.routing import apply


def drop_key_biases(network: Network) -> None:
    """Zero the bias of rows that only feed keys of a softmax, in place; padded or shared rows keep theirs."""
    uses = _uses(network)
    for name, node in network:
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
        bias = op.bias.copy()
        bias[keys - 1] = 0.0
        op.bias = bias


def _ignores_shifts(op: Operation) -> bool:
    """Whether a row may be shifted as a whole: its largest is taken off it."""
    return isinstance(op, Woss) or (isinstance(op, SiExp) and op.clock is not None)


def _uses(network: Network) -> dict[str, dict[tuple[str, int], np.ndarray]]:
    """Per origin, which features (from 1; 0 is padding) reach which operand of which node through its routes."""
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
                found = np.unique(reached.numpy())
                uses.setdefault(network.origin(source), {})[(name, operand)] = found
        if name not in labels:
            labels[name] = torch.arange(1, node.op.shape[-1] + 1).expand(node.op.shape)
    return uses
