"""Infers the shape of every signal of a graph: of one sample and one step, without batch and time axes."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

from processes.errors import Refusal
from targets.nir_graph.cycles import Edge
from targets.nir_graph.kinds import NUMBERS, POOLS
from targets.nir_graph.windows import LIMIT, conv_shape, integers, pair, positions, same_shape, written


def find_shapes(
    nodes: dict[str, nir.NIRNode], sources: dict[str, list[Edge]], refusals: list[Refusal]
) -> dict[str, tuple[int, ...]]:
    """Infer the output shape of every node from the Inputs onwards; stops at the first node that does not fit.

    Nodes that do not fit, have no shape, or add up different shapes are appended to ``refusals``.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for name, edges in sources.items():
        for edge in edges:
            readers[edge.source].append(name)
    ready = [name for name, node in nodes.items() if not sources[name]]
    while ready:
        name = ready.pop()
        if name in shapes:
            continue
        known = [shapes[e.source] for e in sources[name] if e.source in shapes]
        try:
            shape = output_shape(nodes[name], known[0] if known else None)
            if math.prod(shape) > LIMIT or any(n < 1 for n in shape):
                raise ValueError(f"would put out {written(shape)} values at every step; the limit is {LIMIT:,}")
        except (ValueError, TypeError, IndexError) as error:
            refusals.append(Refusal(name, type(nodes[name]).__name__, " ".join(str(error).split())))
            return shapes
        shapes[name] = shape
        ready += readers[name]
    for name, node in nodes.items():
        if name not in shapes:
            refusals.append(Refusal(name, type(node).__name__, "no Input leads to it, so its shape is unknown"))
            continue
        for edge in sources[name]:
            if edge.source in shapes and (reads := shapes[edge.source]) != shapes[sources[name][0].source]:
                first = f"{sources[name][0].source} has {written(shapes[sources[name][0].source])}"
                reason = f"adds up different shapes: {edge.source} has {written(reads)}, {first}"
                refusals.append(Refusal(name, type(node).__name__, reason))
                break
    return shapes


def output_shape(node: Any, reads: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one sample's output of a node that reads shape ``reads``, None where nothing leads to it.

    Raises:
        ValueError: the node cannot read an input of that shape.
    """
    if isinstance(node, nir.Input):
        declared = integers(node.input_type["input"], "shape")
        return declared if reads is None else same_shape(declared, reads)
    if reads is None:
        raise ValueError("its own output is all that leads to it")
    if isinstance(node, nir.Output):
        declared = node.output_type["output"]
        return reads if declared is None else same_shape(integers(declared, "shape"), reads)
    if isinstance(node, nir.Affine | nir.Linear):
        weight = node.weight
        if weight.ndim < 2 or reads[-1:] != weight.shape[-1:] or (weight.ndim > 2 and weight.shape[:-2] != reads[:-1]):
            raise ValueError(f"weight {written(weight.shape)} does not fit an input of {written(reads)}")
        shape = (*reads[:-1], weight.shape[-2])
        return shape if isinstance(node, nir.Linear) else _broadcast(node, ("bias",), shape)
    if isinstance(node, nir.Conv1d | nir.Conv2d):
        return conv_shape(node, reads)
    if isinstance(node, POOLS):
        kernel, stride, padding = (pair(getattr(node, f), 2, f) for f in ("kernel_size", "stride", "padding"))
        return (*reads[:-2], *positions(reads[-2:], kernel, stride, [(p, p) for p in padding], (1, 1)))
    if isinstance(node, nir.Flatten):
        declared = node.input_type["input"]
        shape = reads if declared is None else same_shape(integers(declared, "input_type"), reads)
        first, last = int(np.asarray(node.start_dim).item()), int(np.asarray(node.end_dim).item())
        first, last = (axis + len(shape) if axis < 0 else axis for axis in (first, last))
        if not 0 <= first <= last < len(shape):
            # NIR permits start_dim 1, behind the last axis, for a sample that is flat already
            if len(shape) == 1 and first == 1:
                return shape
            raise ValueError(f"start_dim {first} to end_dim {last} are no axes of {written(shape)}")
        return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    return _broadcast(node, NUMBERS[type(node)], reads)


def _broadcast(node: Any, fields: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``shape``, or raise ValueError if one of the node's parameters does not broadcast to it."""
    for field in fields:
        value = np.shape(getattr(node, field))
        try:
            fits = np.broadcast_shapes(value, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{field} has shape {written(value)}, which does not fit {written(shape)}")
    return shape
