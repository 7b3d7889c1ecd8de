"""What is written over parts of a value: copies, ranges and single places, none of which depend on the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from converters.lowering.arithmetic import broadcast
from converters.lowering.builder import Choice, Unsupported, Value
from converters.lowering.conditions import where
from converters.lowering.handlers import Call, handles
from converters.lowering.routing import cat


@handles("copy")
def copy(call: Call) -> Any:
    """A copy over a value: the new value or constant, broadcast to its shape."""
    y = call.args[1]
    return broadcast(y, call.shape) if isinstance(y, Value) else torch.as_tensor(y).expand(call.shape)


@handles("slice_scatter", "select_scatter")
def scatter(call: Call) -> Value:
    """A value of which a range is written over, as a concatenation of the part before it, the new part and the rest."""
    x, y = call.args[:2]
    axis = call.arg(2, "dim", 0) % len(call.shape)
    if call.function == "select_scatter":
        start = int(call.args[3]) % call.shape[axis]
        stop, step = start + 1, 1
        row = [*call.shape[:axis], 1, *call.shape[axis + 1 :]]
        y = y.routed(("reshape", row)) if isinstance(y, Value) else y.reshape(row)
    else:
        bounds = slice(call.arg(3, "start"), call.arg(4, "end"), call.arg(5, "step", 1))
        start, stop, step = bounds.indices(call.shape[axis])
    if step != 1:
        return _over(call, x, y, lambda old, new: call.target(old, new, *call.args[2:], **call.kwargs))

    def part(first: int, last: int) -> Any:
        return (
            x.routed(("slice", [axis, first, last, 1])) if isinstance(x, Value) else x.narrow(axis, first, last - first)
        )

    parts = [part(0, start), y, part(stop, call.shape[axis])]
    parts = [p for p in parts if p.shape[axis]]
    return parts[0] if len(parts) == 1 else cat(replace(call, args=(parts, axis), kwargs={}))


WRITTEN = {"index_put": 2, "index_fill": 3, "index_copy": 3, "masked_scatter": 2, "scatter": 3, "scatter_": 3}
"""Operations that write at places, and which of their arguments is written; the others but the first say where."""


@handles(*WRITTEN)
def put(call: Call) -> Value:
    """Values or constants written at constant places: a take from both, or a choice by a constant condition.

    Raises:
        Unsupported: the places depend on the input, or what is written is combined with what is there.
    """
    at = WRITTEN[call.function]
    x, y, where_to = call.args[0], call.args[at], (*call.args[1:at], *call.args[at + 1 :])
    if any(isinstance(leaf, (Value, Choice)) for leaf in tree_leaves(where_to)):
        raise Unsupported("places that depend on the input")
    if call.kwargs.get("reduce") or (call.function == "index_put" and call.arg(3, "accumulate", False)):
        raise Unsupported("a sum over places, or what else combines values with what is written over them")

    def write(old: torch.Tensor, new: Any) -> torch.Tensor:
        return call.target(old, *call.args[1:at], new, *call.args[at + 1 :])

    if isinstance(y, Value):
        return _over(call, x, y, write)
    zeros = torch.zeros(call.shape, dtype=torch.float64)
    new, one = (y.double(), torch.ones_like(y, dtype=torch.float64)) if isinstance(y, torch.Tensor) else (y, 1.0)
    return where(replace(call, function="where", args=(write(zeros, one) != 0, write(zeros, new), x), kwargs={}))


def _over(call: Call, x: Any, y: Any, write: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Value:
    """y written over parts of x, either of which may be a constant, as a take from both side by side."""
    size, more = math.prod(call.shape), math.prod(y.shape)
    numbers = torch.arange(size + more, dtype=torch.float64)
    taken = write(numbers[:size].reshape(call.shape), numbers[size:].reshape(y.shape))
    pairs = ((x, size), (y, more))
    flat = [v.routed(("reshape", [1, n])) if isinstance(v, Value) else v.reshape(1, n) for v, n in pairs]
    both = cat(replace(call, args=(flat, 1), kwargs={}, shape=(1, size + more)))
    return both.routed(("take", [1, taken.long().flatten().tolist()]), ("reshape", list(call.shape)))
