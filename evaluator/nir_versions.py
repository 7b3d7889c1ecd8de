"""Repairs what files of other writers and of older versions of nir leave out or write differently.

Only what has a single reading is changed: what is added is the default of the version that left it out. Repairs are
made on the content of a file before nodes are made of it, as the installed nir could not make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NEURONS: dict[str, tuple[str, ...]] = {
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset"),
}
"""The parameters of each type of neuron that nir requires to have one shape."""
CONVOLUTIONS = ("Conv1d", "Conv2d")


@dataclass(frozen=True)
class Repair:
    """One change to one node of a file.

    Attributes:
        node: the node's name, with the names of the graphs around it.
        kind: the node's type.
        done: what was wrong and what was changed, in words.
        harmless: whether the file has no other possible reading, so that the repair needs no request.
    """

    node: str
    kind: str
    done: str
    harmless: bool = True


def modernise(node: dict[str, Any]) -> tuple[dict[str, Any], list[Repair]]:
    """Repair the content of a NIR file so that the installed nir reads it.

    Args:
        node: the content as nested dictionaries; changed in place.

    Returns:
        The repaired content, a new graph around ``node`` if that is a single node, and the repairs.
    """
    repairs: list[Repair] = []
    if node.get("type") in (*NEURONS, "I", "Affine", "Linear", "Scale", "Threshold"):
        kind = str(node["type"])
        name = kind.lower()
        edges = [(b"input", name.encode()), (name.encode(), b"output")]
        ends = {"input": {"type": "Input", "shape": None}, "output": {"type": "Output", "shape": None}}
        _node(name, node, repairs)
        reads, writes = _reads(node)
        ends["input"]["shape"], ends["output"]["shape"] = np.array(reads), np.array(writes)
        repairs.append(
            Repair(name, kind, "a node without a graph, as nir 0.1 wrote it: has an Input and an Output now")
        )
        return {"type": "NIRGraph", "nodes": {**ends, name: node}, "edges": edges}, repairs
    _graph(node, "", repairs)
    return node, repairs


def _graph(graph: dict[str, Any], prefix: str, repairs: list[Repair]) -> None:
    nodes = graph.get("nodes")
    if not isinstance(nodes, Mapping):
        return
    for name, node in nodes.items():
        if isinstance(node, dict):
            if node.get("type") == "NIRGraph":
                _graph(node, f"{prefix}{name}.", repairs)
            else:
                _node(f"{prefix}{name}", node, repairs)


def _node(name: str, node: dict[str, Any], repairs: list[Repair]) -> None:
    kind = node.get("type")
    if kind in CONVOLUTIONS and "input_shape" not in node:
        node["input_shape"] = None
        repairs.append(
            Repair(name, kind, "has no input_shape, as older files have none: it follows from what the node reads")
        )
    if kind in (*CONVOLUTIONS, "Affine") and "bias" not in node and "weight" in node:
        weight = np.asarray(node["weight"])
        node["bias"] = np.zeros(weight.shape[:1] if kind in CONVOLUTIONS else weight.shape[:-1], weight.dtype)
        repairs.append(Repair(name, str(kind), "has no bias: it is 0"))
    if kind in NEURONS:
        _one_shape(name, str(kind), node, repairs)


def _one_shape(name: str, kind: str, node: dict[str, Any], repairs: list[Repair]) -> None:
    """Broadcast single numbers among a neuron's parameters to the shape of the others."""
    present = {field: np.asarray(node[field]) for field in NEURONS[kind] if field in node}
    if any(value.dtype.kind not in "biuf" for value in present.values()):
        return
    try:
        shape = np.broadcast_shapes(*(value.shape for value in present.values()))
    except ValueError:
        return  # nir reports which parameters do not fit
    if spread := [field for field, value in present.items() if value.shape != shape and value.size == 1]:
        for field in spread:
            node[field] = np.full(shape, present[field].item(), present[field].dtype)
        size = "×".join(map(str, shape))
        repairs.append(Repair(name, kind, f"{', '.join(spread)}: one number, now for each of {size} neurons"))


def _reads(node: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The input and output shapes of a single node."""
    if node["type"] in ("Affine", "Linear"):
        shape = np.shape(node["weight"])
        return (*shape[:-2], *shape[-1:]), shape[:-1]
    field = {"Scale": "scale", "Threshold": "threshold"}.get(node["type"], "r")
    shape = np.shape(node[field])
    return shape, shape
