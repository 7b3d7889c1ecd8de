"""Reshapes, transposes, selections and concatenations: wiring between neurons, without computation."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from converters.lowering.attention import product
from converters.lowering.builder import Choice, Divisor, Mask, Surrounded, Unsupported, Value
from converters.lowering.handlers import Call, handles


@handles("reshape", "view", "flatten", "unflatten", "unsqueeze", "squeeze", "_unsafe_view")
def reshape(call: Call) -> Any:
    """Any reshape, to the shape that the exporter has found for the result."""
    if isinstance(call.args[0], Divisor):
        return call.args[0].reshaped(call, call.shape)
    return call.args[0].routed(("reshape", list(call.shape)))


@handles("transpose")
def transpose(call: Call) -> Value:
    """Swap two axes."""
    x: Value = call.args[0]
    order = list(range(len(x.shape)))
    i, j = (a % len(order) for a in call.args[1:3])
    order[i], order[j] = order[j], order[i]
    return x.routed(("permute", order))


@handles("permute")
def permute(call: Call) -> Value:
    """Reorder the axes."""
    x: Value = call.args[0]
    return x.routed(("permute", [a % len(x.shape) for a in call.args[1]]))


@handles("select")
def select(call: Call) -> Value:
    """Take one index of an axis, which is dropped."""
    x, axis, index = call.args
    axis, index = axis % len(x.shape), index % x.shape[axis]
    return _index(x, axis, index)


def _index(x: Value, axis: int, index: int) -> Value:
    rest = [n for a, n in enumerate(x.shape) if a != axis]
    return x.routed(("slice", [axis, index, index + 1, 1]), ("reshape", rest))


@handles("slice")
def slice_(call: Call) -> Value:
    """Take a range of an axis, with a step."""
    x: Value = call.args[0]
    axis = call.arg(1, "dim", 0) % len(x.shape)
    start, stop, step = slice(call.arg(2, "start"), call.arg(3, "end"), call.arg(4, "step", 1)).indices(x.shape[axis])
    return x.routed(("slice", [axis, start, stop, step]))


@handles("unbind")
def unbind(call: Call) -> list[Value]:
    """Take every index of an axis, as a list of values without that axis."""
    x: Value = call.args[0]
    axis = call.arg(1, "dim", 0) % len(x.shape)
    return [_index(x, axis, i) for i in range(x.shape[axis])]


@handles("split", "split_with_sizes", "chunk")
def split(call: Call) -> list[Value]:
    """Cut an axis into consecutive ranges."""
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
    """Repeat along axes of length 1 and along new leading axes; a divisor stays as it is, as it divides whole rows."""
    x = call.args[0]
    if isinstance(x, Divisor):
        return x
    if isinstance(x, Mask):
        bias = None if x.bias is None else x.bias.expand(call.shape)
        return replace(x, allowed=x.allowed.expand(call.shape), bias=bias)
    if len(call.shape) != len(x.shape):
        x = x.routed(("reshape", [1] * (len(call.shape) - len(x.shape)) + list(x.shape)))
    return x.routed(("expand", list(call.shape)))


@handles("roll")
def roll(call: Call) -> Value:
    """Shift cyclically along axes, as shifted windows do, or over all values if no axes are given."""
    x: Value = call.args[0]
    if len(call.args) < 3 or not call.args[2]:
        return wiring(call)
    return x.routed(("roll", [list(call.args[1]), [a % len(x.shape) for a in call.args[2]]]))


@handles("pad", "constant_pad_nd")
def pad(call: Call) -> Value | Surrounded:
    """Pad: with zeros by silence, with another number by an offset, with minus infinity for a maximum that follows."""
    x: Value = call.args[0]
    general = call.function == "pad"
    if general and call.arg(2, "mode", "constant") != "constant":
        return wiring(call)
    around = float(call.arg(3 if general else 2, "value") or 0.0)
    if around == -math.inf:
        sides = [int(p) for p in call.args[1]]
        repeated = replace(call, args=(x, sides, "replicate"), kwargs={}, target=torch.nn.functional.pad)
        return Surrounded(wiring(repeated), max(sides))
    if not math.isfinite(around):
        raise Unsupported("padding that is not finite")
    if around:  # x = (x - c) + c, and what is padded with silence is 0 + c
        x = replace(x, offset=torch.as_tensor(-around) + (0.0 if x.offset is None else x.offset))
    if x.offset is not None:
        x = Value(call.builder.join(x), x.shape)
    padded = x.routed(("pad", [int(p) for p in call.args[1]]))
    return padded if not around else replace(padded, offset=torch.as_tensor(around, dtype=torch.float64))


@handles("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")
def shuffle(call: Call) -> Value:
    """Pixel shuffle, pixel unshuffle and channel shuffle."""
    x: Value = call.args[0]
    factor = int(call.args[1])
    n, c, h, w = x.shape
    match call.function:
        case "pixel_shuffle":
            split, order = [n, c // factor**2, factor, factor, h, w], [0, 1, 4, 2, 5, 3]
        case "pixel_unshuffle":
            split, order = [n, c, h // factor, factor, w // factor, factor], [0, 1, 3, 5, 2, 4]
        case _:
            split, order = [n, factor, c // factor, h, w], [0, 2, 1, 3, 4]
    return x.routed(("reshape", split), ("permute", order), ("reshape", list(call.shape)))


WIRED = 2**20
"""Most values of one index map, whose text stands in the network's file."""


COPIES = (
    "as_strided", "index", "index_select", "gather", "take_along_dim", "diagonal", "flip", "repeat", "repeat_interleave",
    "tile", "tril", "triu", "unfold", "im2col", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
)  # fmt: skip
"""Operations that copy, drop, repeat and reorder values, and fill with zeros."""


@handles(*COPIES)
def wiring(call: Call) -> Value:
    """An operation of ``COPIES`` as one index map, found by running it on the numbers of the values; 0 is silence.

    Raises:
        Unsupported: the places depend on the input, or the map is too large.
    """
    x: Value = call.args[0]
    if call.function == "index" and any(isinstance(index, Choice) for index in call.args[1]):
        return _chosen(call)
    if not isinstance(x, Value) or any(isinstance(a, Value) for a in pytree.tree_leaves((call.args[1:], call.kwargs))):
        raise Unsupported("a choice of places that depends on the input")
    size = math.prod(x.shape)
    numbers = torch.arange(1, size + 1, dtype=torch.float64).reshape(x.shape)
    places = call.target(numbers, *call.args[1:], **call.kwargs)
    if (alike := _by_channel(x, places)) is not None:
        return alike
    places = places.reshape(-1)
    if len(places) > WIRED:
        raise Unsupported(f"an index map of {len(places):,} places, more than {WIRED:,}")
    silent = bool((places == 0).any())
    if silent and x.offset is not None:
        x = Value(call.builder.join(x), x.shape)
    flat = x.routed(("reshape", [1, size]))
    if silent:
        flat = flat.routed(("pad", [1, 0]))
    index = (places if silent else places - 1).long().tolist()
    return flat.routed(("take", [1, index]), ("reshape", list(call.shape)))


def _by_channel(x: Value, places: torch.Tensor) -> Value | None:
    """x moved by the index map of one channel, if all channels have the same one and keep their places; else None."""
    if len(x.shape) < 3 or places.shape[:2] != x.shape[:2] or x.offset is not None or x.shape[1] == 1:
        return None
    own, size = places.reshape(x.shape[1], -1), math.prod(x.shape[2:])
    own = own - size * torch.arange(x.shape[1])[:, None]
    if not bool((own == own[0]).all()) or bool((own < 1).any()) or own.shape[1] > WIRED:
        return None
    index = (own[0] - 1).long().tolist()
    flat = x.routed(("reshape", [1, x.shape[1], size]), ("take", [2, index]))
    return flat.routed(("reshape", list(places.shape)))


def _chosen(call: Call) -> Value:
    """The features of the token that the input chooses, by a product with a one-hot vector."""
    x, (batch, choice, *rest) = call.args[:2]
    if len(x.shape) != 3 or x.shape[0] != 1 or rest or isinstance(batch, Choice) or not isinstance(choice, Choice):
        raise Unsupported("a choice by the input of something else than one token of each sample")
    places = choice.places.routed(("reshape", [1, 1, x.shape[1]]))
    return product(call.builder, places, x, False, f"{call.name}.chosen").routed(("reshape", list(call.shape)))


@handles("cat")
def cat(call: Call) -> Value:
    """A concatenation of values and constants: a population in which each operand drives its own range."""
    parts = [part for part in call.args[0] if 0 not in part.shape]  # a cache without anything in it has no axes either
    axis = call.arg(1, "dim", 0) % len(call.shape)
    if any(isinstance(part, Value) and part.mask is not None for part in parts):
        return _masked(call, parts, axis)
    branches: list[Value] = []
    bias = torch.zeros(call.shape, dtype=torch.float64)
    start = 0
    for part in parts:
        length = part.shape[axis]
        if isinstance(part, Value):
            padding = [0, 0] * (len(call.shape) - 1 - axis) + [start, call.shape[axis] - start - length]
            if part.offset is not None or part.activation != "identity":
                part = Value(call.builder.join(part), part.shape)
            branches.append(part.routed(("pad", padding)))
        else:
            bias.narrow(axis, start, length).copy_(part)
        start += length
    return Value(call.builder.sum(branches, bias.numpy(), call.shape, f"{call.name}.cat"), call.shape)


def _masked(call: Call, parts: list[Any], axis: int) -> Value:
    """A concatenation of logits of which a mask leaves some out, with logits and constants (sinks) that all race.

    Raises:
        Unsupported: which keys take part comes from the input, and not all parts or places along the rows heed it.
    """
    masks = [part.mask if isinstance(part, Value) else None for part in parts]
    keys = masks[0].keys if masks[0] else None
    if any(mask is None or mask.keys != keys for mask in masks) or axis == len(call.shape) - 1:
        keys = None
        if any(mask is not None and mask.keys is not None for mask in masks):
            raise Unsupported("a concatenation of logits, of some of which the input says that they take no part")

    def whole(which: str, otherwise: Any) -> torch.Tensor:
        own = [None if mask is None else getattr(mask, which) for mask in masks]
        own = [torch.as_tensor(otherwise) if each is None else each for each in own]
        return torch.cat([each.expand(part.shape) for each, part in zip(own, parts, strict=True)], axis)

    biased = any(mask is not None and mask.bias is not None for mask in masks)
    mask = Mask(keys, whole("allowed", True), whole("bias", 0.0) if biased else None)
    unmasked = [replace(part, mask=None) if isinstance(part, Value) else part for part in parts]
    return replace(cat(replace(call, args=(unmasked, axis), kwargs={})), mask=mask)
