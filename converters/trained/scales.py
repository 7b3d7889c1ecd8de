"""Scales of a layer's outputs, undone by the thresholds of the neurons behind it, so that its weights round better.

With one power of two for each output, the largest 8-bit mantissa of a row lies anywhere from 64 to 127, and rounding
errors are up to twice as large as they have to be. A row that only reaches neurons may be multiplied by any number, if
their thresholds, resets and biases are, too: every spike stays. Of the numbers in [1, 2) the one is taken whose rounded
row has the least error, weighted by the inputs' variances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from converters.discretise.rounding import Moments
from processes.fixed import mantissa_limit, row_exponents
from processes.spiking import Graph, Layout, MaxPool, Neuron, Weighted
from processes.spiking.neuron import Rule, Update
from processes.spiking.steppers import Moved, Pooled

CANDIDATES = 64
"""How many factors in [1, 2) are tried for each row, evenly spaced by their logarithms."""


def best_scales(graph: Graph, moments: Mapping[str, Moments], bits: int) -> dict[str, np.ndarray]:
    """By layer whose outputs only reach neurons, the best factor for each output, (out,) in [1, 2).

    Args:
        graph: the captured network.
        moments: by layer, of what arrives at its weights; layers without moments get no factors.
        bits: width of the mantissas.
    """
    found: dict[str, np.ndarray] = {}
    for name, node in graph.nodes.items():
        if isinstance(node.op, Weighted) and name in moments and reached(graph, name) is not None:
            found[name] = _best(node.op.weight, moments[name], bits)
    return found


def _best(weight: np.ndarray, seen: Moments, bits: int) -> np.ndarray:
    """For each row of ``weight`` (out, ...), the factor with the least rounding error over its largest mantissa."""
    variances = np.stack([np.diag(seen.covariance(group)) for group in range(len(seen.first))])
    each = np.repeat(variances, len(weight) // len(variances), axis=0)  # (out, n), by group of a convolution
    rows = weight.reshape(len(weight), -1)
    limit = mantissa_limit(bits)
    factors, errors = 2.0 ** (np.arange(CANDIDATES) / CANDIDATES), []
    for factor in factors:
        exact = np.ldexp(rows * factor, -row_exponents(rows * factor, bits))
        scale = np.abs(exact).max(1, initial=1e-300)
        errors.append((((np.rint(exact).clip(-limit, limit) - exact) / scale[:, None]) ** 2 * (each + 1e-12)).sum(1))
    return factors[np.argmin(errors, axis=0)]


def reached(graph: Graph, name: str) -> dict[str, np.ndarray] | None:
    """By population behind a layer, the number of the layer's output that each neuron reads, (*shape), -1 for padding.

    None if anything but neurons that send spikes reads the layer, directly or through layouts and max pooling.
    """
    node = graph.nodes[name]
    assert isinstance(node.op, Weighted)
    outputs = np.broadcast_to(node.op.rows(np.arange(len(node.op.weight))), node.shape)
    found: dict[str, np.ndarray] = {}
    readers, waiting = graph.readers(), [(name, outputs + 1)]  # 0 is what a layout pads with
    while waiting:
        at, ids = waiting.pop()
        if at == graph.output:
            return None
        for reader in readers[at]:
            op, wires, shape = graph.nodes[reader].op, graph.nodes[reader].wires, graph.nodes[reader].shape
            if len(wires) != 1:
                return None
            if isinstance(op, Neuron) and op.emits is None:
                found[reader] = ids.reshape(shape) - 1
            elif isinstance(op, Layout):
                moved = Moved(op, (ids.shape,)).step(ids[None])
                assert moved is not None
                waiting.append((reader, moved[0]))
            elif isinstance(op, MaxPool):
                pooled = Pooled(op, shape).step(ids[None])
                assert pooled is not None
                waiting.append((reader, pooled[0]))
            else:
                return None
    return found


def rescaled(graph: Graph, scales: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph with layers' outputs multiplied by ``scales``, and by population its potentials' factors, (*shape).

    Thresholds, resets, initial states and biases of the neurons are multiplied, too, so that every spike stays.
    """
    nodes, factors = dict(graph.nodes), dict[str, np.ndarray]()
    for name, scale in scales.items():
        node = nodes[name]
        assert isinstance(node.op, Weighted)
        op = node.op
        weight = op.weight * scale.reshape(-1, *[1] * (op.weight.ndim - 1))
        nodes[name] = replace(node, op=replace(op, weight=weight, bias=None if op.bias is None else op.bias * scale))
        for neuron, ids in (reached(graph, name) or {}).items():
            behind = nodes[neuron]
            assert isinstance(behind.op, Neuron)
            factors[neuron] = np.where(ids < 0, 1.0, scale[ids])
            nodes[neuron] = replace(behind, op=replace(behind.op, rule=_times(behind.op.rule, factors[neuron])))
    return replace(graph, nodes=nodes), factors


def _times(rule: Rule, factor: np.ndarray) -> Rule:
    """A rule whose states are all multiplied by ``factor``: its biases, threshold, reset and initial states are."""

    def update(of: Update) -> Update:
        return replace(of, bias=tuple(value * factor for value in of.bias))

    return replace(
        rule, update=update(rule.update), after=None if rule.after is None else update(rule.after),
        threshold=rule.threshold * factor, v_reset=rule.v_reset * factor,
        initial=tuple(value * factor for value in rule.initial),
    )  # fmt: skip
