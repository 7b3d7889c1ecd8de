"""Writes a captured network whole as NIR, in standard nodes where NIR has them, and restores it exactly.

The metadata of every node hold its operation, wires and shape as JSON and arrays, from which the network is restored to
the last bit. Layers are Affine, Conv1d and Conv2d, whose own arrays hold the weights; neurons with a standard form are
IF, LIF and CubaLIF, so that other readers find them. Operations without a NIR node (products, max pools, moves, other
neurons) are nested graphs of an Input and an Output. Wires that carry messages to the next step are ordinary edges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np

from evaluator.network_file import write_graph
from processes.errors import DeployError
from processes.spiking import Graph, Neuron, Node, Source, Weighted
from processes.spiking.store import packed, unpacked
from targets.nir_graph.program import Stepper
from targets.trained.mark import FORMAT
from targets.trained.nir import DT, NoForm, leak_of, neuron_node
from targets.trained.program import compile_float

KEY = "operation"  # of the JSON text in a node's metadata
NATIVE = "its own "
"""Prefix of references to arrays that are fields of the NIR node instead of metadata."""
LARGEST = 2**27
"""Most values of a node that is restored, since a small file could declare a shape that takes all memory."""


def write_whole(graph: Graph, file: Path, frames: int, readout: str) -> None:
    """Write :func:`whole`'s NIR graph of a network to a file."""
    write_graph(file, whole(graph, frames, readout))


def whole(graph: Graph, frames: int, readout: str) -> nir.NIRGraph:
    """Convert a network to a NIR graph, its standard neurons for dt = 1e-4 and Euler's method.

    Args:
        graph: the captured network.
        frames: number of frames (time steps) of a sample.
        readout: how the outputs of all steps become one (:func:`converters.trained.reference.read_out`), as metadata.
    """
    numbered = {name: f"{i:04d}.{name}" for i, name in enumerate(graph.nodes)}
    nodes = {numbered[name]: _written(graph, name) for name in graph.nodes}
    edges = [(numbered[wire.source], numbered[name]) for name, node in graph.nodes.items() for wire in node.wires]
    nodes["output"] = nir.Output({"output": np.array(graph.nodes[graph.output].shape)})
    edges.append((numbered[graph.output], "output"))
    metadata = {
        "format": FORMAT, "dt": DT, "method": "euler", "input": graph.input, "output": graph.output, "frames": frames,
        "frame": np.array(graph.frame), "readout": readout,
    }  # fmt: skip
    return nir.NIRGraph(nodes, list(dict.fromkeys(edges)), metadata=metadata, type_check=False)  # type: ignore[arg-type]


def restore(graph: nir.NIRGraph) -> tuple[Graph, int, str]:
    """Return (network, frames of a sample, readout) from the graph that :func:`whole` made.

    Raises:
        DeployError: the graph was written by another version, or is damaged.
    """
    if (found := str(graph.metadata.get("format"))) != FORMAT:
        raise DeployError(f"the NIR graph has format {found!r}, this version reads {FORMAT!r}; write it again")
    try:
        names = [name for name in sorted(graph.nodes) if name != "output"]
        nodes = {name.split(".", 1)[1]: _read(graph.nodes[name]) for name in names}
        meta = graph.metadata
        frame = tuple(int(n) for n in np.atleast_1d(meta["frame"]))
        restored = Graph(nodes, str(meta["input"]), str(meta["output"]), frame)
        program = compile_float(restored)
        entry = np.zeros((1, *nodes[restored.input].shape))
        Stepper(program, list(program.stages)).step(
            {restored.input: entry}
        )  # fails unless shapes fit and every wire has a source
        return restored, int(meta["frames"]), str(meta["readout"])
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split())[:200]
        raise DeployError(f"the NIR graph is no spiking network's ({reason}); the file is damaged") from error


def _written(graph: Graph, name: str) -> Any:
    """The NIR node of a network's node, with the operation in its metadata."""
    node = graph.nodes[name]
    arrays: dict[str, np.ndarray] = {}
    op = node.op
    native = {"weight": op.weight, "bias": op.bias} if isinstance(op, Weighted) else {}
    text = packed(node, arrays)
    names = {id(array): NATIVE + field for field, array in native.items() if array is not None}
    renamed = {key: names.get(id(array), key) for key, array in arrays.items()}
    text = _renamed(text, renamed)
    metadata: dict[str, Any] = {KEY: json.dumps(text)}
    metadata |= {key: array for key, array in arrays.items() if renamed[key] == key}
    shape = np.array(node.shape)
    if isinstance(op, Source):
        return nir.Input({"input": shape}, metadata=metadata)
    if isinstance(op, Weighted):
        return _layer(op, graph.nodes[node.wires[0].source].shape, metadata)
    if isinstance(op, Neuron) and op.emits is None:
        try:
            written = neuron_node(leak_of(op.rule), _inner(node.shape), DT)
            written.metadata = metadata
            return written
        except NoForm:
            pass  # written as a nested graph, like other operations
    inside: dict[str, Any] = {"input": nir.Input({"input": shape}), "output": nir.Output({"output": shape})}
    return nir.NIRGraph(inside, [("input", "output")], metadata=metadata, type_check=False)


def _layer(op: Weighted, reads: tuple[int, ...], metadata: dict[str, Any]) -> Any:
    """The Affine, Conv1d or Conv2d of a layer."""
    bias = np.zeros(len(op.weight)) if op.bias is None else op.bias
    if not op.stride:
        return nir.Affine(op.weight, bias, metadata=metadata)
    if len(op.stride) == 1:
        geometry = op.stride[0], op.padding[0], op.dilation[0], op.groups
        return nir.Conv1d(reads[-1], op.weight, *geometry, bias, metadata=metadata)
    geometry = op.stride, op.padding, op.dilation, op.groups
    return nir.Conv2d((reads[-2], reads[-1]), op.weight, *geometry, bias, metadata=metadata)  # type: ignore[arg-type]


def _read(written: Any) -> Node:
    """The network's node from the metadata and fields of its NIR node; DeployError for a damaged one."""
    metadata = dict(written.metadata)
    text = json.loads(str(metadata.pop(KEY)))
    arrays: dict[str, np.ndarray] = {name: np.asarray(value) for name, value in metadata.items()}
    arrays |= {
        NATIVE + field: np.asarray(getattr(written, field)) for field in ("weight", "bias") if hasattr(written, field)
    }
    node = unpacked(text, arrays)
    if not isinstance(node, Node):
        raise DeployError(f"a {type(node).__name__} where a node has to be")
    shape = tuple(int(n) for n in node.shape)
    if min(shape) < 1 or math.prod(shape) > LARGEST:
        raise DeployError(f"a node of shape {shape}, of which at most {LARGEST:,} values are read")
    return replace(node, shape=shape)


def _renamed(text: Any, names: Mapping[str, str]) -> Any:
    """Packed content with its references to arrays renamed by ``names``."""
    if isinstance(text, list):
        return [_renamed(item, names) for item in text]
    if not isinstance(text, dict):
        return text
    if "array" in text:
        return {"array": names[text["array"]]}
    return {key: _renamed(item, names) for key, item in text.items()}


def _inner(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its leading axes of length 1 (time and batch); the last axis is kept."""
    left = next((i for i, n in enumerate(shape) if n != 1), len(shape) - 1)
    return shape[left:]
