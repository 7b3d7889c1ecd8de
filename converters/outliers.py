"""Outlying columns of a layer's weights get a synapse of their own, so that they do not set the units of all others.

The 8-bit mantissas of a row share a unit, which the row's largest weight decides. Where a few inputs have far larger weights
than all others, once the scales of their codes are folded in, most mantissas stay small and lose their bits to rounding; a
feature of a language model's first token that is thousands of times all others is such an input. A second synapse of 8 bits
into the same neuron, whose units are its own, gives these bits back, and a chip needs nothing new for it: routes take the
outlying inputs and the others, two dense synapses weigh them, and a sum adds both. Each weight stays in one of the two: there
are as many synapses and additions as before, and one message a neuron and one step more.

The mean square error of rounding is proportional to the square of a row's unit, and so of its largest weight. Columns
are set apart where the mean of these squares falls to ``GAIN`` or less, which gains four fifths of a bit of each
mantissa. Rows of Gaussian weights stay far above that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from evaluator.closed_form import streams
from processes.network import DenseSynapse, Network, Node, Residual, Route, Stage

GAIN = 1 / 3
"""Share that the square of a row's largest weight has to fall to, on average over rows, for columns to be set apart."""
SHARE = 32
"""At most one column in ``SHARE`` is set apart; layers with fewer columns stay whole."""
NEAR = 1.1
"""The fewest columns are taken whose squares are within this factor of those of the most that may be taken."""

Columns = Mapping[str, np.ndarray]
"""By name of a dense synapse, the columns that are set apart."""


def outlying(network: Network) -> dict[str, np.ndarray]:
    """By dense synapse that gains by it, the columns to set apart, ascending.

    Scales of ``network`` have to be folded into its weights. Synapses whose currents are read step by step stay whole.
    """
    found: dict[str, np.ndarray] = {}
    for name, node in network:
        if isinstance(node.op, DenseSynapse) and not any(streams(network[r]) for r in network.readers(name)):
            columns = outlying_columns(np.asarray(node.op.weight))
            if len(columns):
                found[name] = columns
    return found


def outlying_columns(weight: np.ndarray) -> np.ndarray:
    """Columns of a weight matrix (out, in) to set apart, ascending, int64; none if that gains too little."""
    sizes = np.abs(weight[weight.any(1)])
    most = weight.shape[1] // SHARE
    if not most or not len(sizes):
        return np.zeros(0, np.int64)
    sizes = sizes / sizes.max(1, keepdims=True)
    order = np.argsort(-(sizes**2).mean(0), kind="stable")
    from_last = np.maximum.accumulate(sizes[:, order[::-1]], axis=1)
    left = (from_last[:, ::-1][:, : most + 1] ** 2).mean(0)  # of rows' largest weights, with k columns set apart
    if left[most] > GAIN:
        return np.zeros(0, np.int64)
    return np.sort(order[: int(np.argmax(left <= left[most] * NEAR))])


def set_apart(network: Stage, columns: Columns) -> Stage:
    """A copy of the network with each NAME in ``columns`` as the sum of synapses NAME.outlying and NAME.others."""
    out = network.copy()
    out.nodes = {}
    for name, node in network:
        source = network.shape(node.inputs[0])
        out.nodes |= _parts(name, node, source, columns[name]) if name in columns else {name: node}
    return out


def rows_apart(rows: Mapping[str, np.ndarray], columns: Columns) -> dict[str, np.ndarray]:
    """Values by synapse, such as the importance of rows, under the names that synapses have after :func:`set_apart`."""
    found: dict[str, np.ndarray] = {}
    for name, values in rows.items():
        found |= dict.fromkeys(part_names(name), values) if name in columns else {name: values}
    return found


def part_names(name: str) -> tuple[str, str]:
    """The names of the synapses for a layer's outlying columns and for its other columns."""
    return f"{name}.outlying", f"{name}.others"


def _parts(name: str, node: Node, source: tuple[int, ...], columns: np.ndarray) -> dict[str, Node]:
    """Two routes, two synapses and, under the layer's name, their sum."""
    op, (spikes,) = node.op, node.inputs
    assert isinstance(op, DenseSynapse)
    parts: dict[str, Node] = {}
    for part, taken in zip(part_names(name), (columns, np.delete(np.arange(source[-1]), columns)), strict=True):
        steps = json.dumps([["take", [len(source) - 1, taken.tolist()]]])
        route = Route(shape=(*source[:-1], len(taken)), steps=steps, source_shape=source)
        parts[f"{part}.inputs"] = Node(route, (spikes,))
        parts[part] = Node(replace(op, weight=op.weight[:, taken], bias=np.zeros_like(op.bias)), (f"{part}.inputs",))
    bias = op.bias.reshape((1,) * (len(op.shape) - 1) + (-1,))
    parts[name] = Node(Residual(shape=op.shape, bias=bias), part_names(name))
    return parts
