"""Reshapes, transposes, selections, concatenations: wiring."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from converters.lowering import Call, handles
from converters.lowering.builder import Divisor, Unsupported, Value


@handles("reshape", "view", "flatten", "unflatten", "unsqueeze", "squeeze", "_unsafe_view")
def reshape(call: Call) -> Value:
    """The exporter knows the resulting shape."""
    return call.args[0].routed(("reshape", list(call.shape)))


@handles("transpose")
def transpose(call: Call) -> Value:
    """Two axes swapped."""
    x: Value = call.args[0]
    order = list(range(len(x.shape)))
    i, j = (a % len(order) for a in call.args[1:3])
    order[i], order[j] = order[j], order[i]
    return x.routed(("permute", order))


@handles("permute")
def permute(call: Call) -> Value:
    """Axes reordered."""
    x: Value = call.args[0]
    return x.routed(("permute", [a % len(x.shape) for a in call.args[1]]))


@handles("select")
def select(call: Call) -> Value:
    """One index of an axis."""
    x, axis, index = call.args
    axis, index = axis % len(x.shape), index % x.shape[axis]
    return _index(x, axis, index)


def _index(x: Value, axis: int, index: int) -> Value:
    rest = [n for a, n in enumerate(x.shape) if a != axis]
    return x.routed(("slice", [axis, index, index + 1, 1]), ("reshape", rest))


@handles("slice")
def slice_(call: Call) -> Value:
    """A range of an axis."""
    x: Value = call.args[0]
    axis = call.arg(1, "dim", 0) % len(x.shape)
    start, stop, step = slice(call.arg(2, "start"), call.arg(3, "end"), call.arg(4, "step", 1)).indices(x.shape[axis])
    return x.routed(("slice", [axis, start, stop, step]))


@handles("unbind")
def unbind(call: Call) -> list[Value]:
    """Every index of an axis."""
    x: Value = call.args[0]
    axis = call.arg(1, "dim", 0) % len(x.shape)
    return [_index(x, axis, i) for i in range(x.shape[axis])]


@handles("split", "split_with_sizes", "chunk")
def split(call: Call) -> list[Value]:
    """Consecutive ranges of an axis."""
    x: Value = call.args[0]
    axis = call.arg(2, "dim", 0) % len(x.shape)
    sizes = call.args[1]
    if call.function == "chunk":
        sizes = -(-x.shape[axis] // sizes)
    if isinstance(sizes, int):
        sizes = [min(sizes, x.shape[axis] - i) for i in range(0, x.shape[axis], sizes)]
    starts = np.cumsum([0, *sizes])
    return [x.routed(("slice", [axis, int(a), int(b), 1])) for a, b in itertools.pairwise(starts)]


@handles("expand", "expand_as")
def expand(call: Call) -> Any:
    """Repetition along axes of length one; what divides a row divides every feature of it."""
    x = call.args[0]
    if isinstance(x, Divisor):
        return x
    if len(call.shape) != len(x.shape):
        raise Unsupported("a repetition along a new axis")
    return x.routed(("expand", list(call.shape)))


@handles("roll")
def roll(call: Call) -> Value:
    """Cyclic shift (shifted windows)."""
    x: Value = call.args[0]
    if len(call.args) < 3 or not call.args[2]:
        raise Unsupported("a shift of all axes at once")
    return x.routed(("roll", [list(call.args[1]), [a % len(x.shape) for a in call.args[2]]]))


@handles("pad")
def pad(call: Call) -> Value:
    """Silence around the edges."""
    x: Value = call.args[0]
    if call.arg(2, "mode", "constant") != "constant" or call.arg(3, "value") not in (None, 0, 0.0):
        raise Unsupported("padding with something else than zero")
    if x.offset is not None:
        x = Value(call.builder.join(x), x.shape)
    return x.routed(("pad", [int(p) for p in call.args[1]]))


@handles("cat")
def cat(call: Call) -> Value:
    """Values and constants side by side: a population in which each operand drives its own rows."""
    parts = call.args[0]
    axis = call.arg(1, "dim", 0) % len(call.shape)
    branches: list[str] = []
    bias = torch.zeros(call.shape, dtype=torch.float64)
    start = 0
    for part in parts:
        length = part.shape[axis]
        if isinstance(part, Value):
            padding = [0, 0] * (len(call.shape) - 1 - axis) + [start, call.shape[axis] - start - length]
            plain = Value(call.builder.join(part), part.shape)
            branches.append(call.builder.join(plain.routed(("pad", padding))))
        else:
            bias.narrow(axis, start, length).copy_(part)
        start += length
    node = call.builder.residual(branches, bias.numpy(), call.shape, f"{call.name}.cat")
    return Value(node, call.shape)
