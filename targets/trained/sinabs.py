"""Converts the standard graph of a captured network to the dialect of sinabs.

sinabs steps v <- exp(-1 / tau) v + x, without r and v_leak, and takes tau in steps; so the gain and the leak of Euler's
step are moved into the layer before the neurons. Its importer makes neurons that subtract and may send several spikes a
step; where the graph's reset is v_reset, single spikes and a reset to 0 have to be set after the import, as
``targets/simulators/worker.py`` does.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import nir
import numpy as np

from processes.errors import Refusal, UnsupportedGraph

TIE = 1e-9
"""Tolerance, relative to the threshold, within which v_reset counts as 0; a threshold lowered for ties shifts it."""


def for_sinabs(graph: nir.NIRGraph) -> nir.NIRGraph:
    """Return a graph that fires the same spikes by sinabs' equations.

    Args:
        graph: as :func:`targets.trained.nir.standard` returns it.

    Raises:
        UnsupportedGraph: with every population that sinabs cannot express: a CubaLIF, one that resets to another value
            than 0, whose parameters differ within a channel, or that is not fed by a layer of its own.
    """
    dt = float(graph.metadata["dt"])
    nodes: dict[str, Any] = dict(graph.nodes)
    fans = Counter(source for source, _ in graph.edges)
    refusals: list[Refusal] = []
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.LIF | nir.IF | nir.CubaLIF):
            continue
        feeds = [source for source, target in graph.edges if target == name]
        layer: Any = graph.nodes[feeds[0]] if len(feeds) == 1 and fans[feeds[0]] == 1 else None
        reason = _refused(node, layer)
        if reason:
            refusals.append(Refusal(name, type(node).__name__, reason))
        else:
            nodes[feeds[0]], nodes[name] = _pair(layer, node, dt)
    if refusals:
        raise UnsupportedGraph(refusals)
    metadata = dict(graph.metadata) | {"dt": 1.0, "method": "exact"}
    return nir.NIRGraph(nodes, list(graph.edges), metadata=metadata, type_check=False)


def _refused(node: Any, layer: Any) -> str:
    """Why sinabs cannot express a population behind ``layer`` (None without one of its own); "" if it can."""
    if isinstance(node, nir.CubaLIF):
        return "sinabs' neurons with a current scale it otherwise"
    if not isinstance(layer, nir.Affine | nir.Conv1d | nir.Conv2d):
        return "its gain has to go into a layer that feeds it alone"
    if np.any(np.abs(node.v_reset) > TIE * np.abs(node.v_threshold)):
        return "resets to another value than 0, or takes off another one than its threshold"
    fields = [node.v_threshold, node.r, *([node.tau, node.v_leak] if isinstance(node, nir.LIF) else [])]
    if any(np.ptp(field.reshape(len(field), -1), axis=1).any() for field in fields):
        return "its parameters differ within a channel"
    return ""


def _pair(layer: Any, node: Any, dt: float) -> tuple[Any, Any]:
    """(layer with the neurons' gain and leak in its weights and bias, sinabs' neurons)."""
    by_row = (-1, *[1] * (node.v_threshold.ndim - 1))

    def channel(field: np.ndarray) -> np.ndarray:
        return field.reshape(len(field), -1)[:, 0]

    theta, zero = channel(node.v_threshold).reshape(by_row), np.zeros(len(node.v_threshold)).reshape(by_row)
    if isinstance(node, nir.IF):
        gain, leak = channel(node.r) * dt, np.zeros(len(theta))
        made: Any = nir.IF(r=np.ones_like(theta), v_threshold=theta, v_reset=zero)
    else:
        lost = dt / channel(node.tau)
        gain, leak = channel(node.r) * lost, channel(node.v_leak) * lost
        tau = (-1 / np.log(1 - lost)).reshape(by_row)
        made = nir.LIF(tau=tau, r=np.ones_like(tau), v_leak=zero, v_threshold=theta, v_reset=zero)
    weight = layer.weight * gain.reshape(-1, *[1] * (layer.weight.ndim - 1))
    bias = layer.bias * gain + leak
    if isinstance(layer, nir.Affine):
        return nir.Affine(weight, bias), made
    geometry = layer.input_shape, weight, layer.stride, layer.padding, layer.dilation, layer.groups, bias
    return (nir.Conv1d if isinstance(layer, nir.Conv1d) else nir.Conv2d)(*geometry), made
