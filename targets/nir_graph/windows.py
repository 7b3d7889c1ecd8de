"""Geometry of the windows of convolutions and pools, and the number of their output positions."""

from __future__ import annotations

import math
from typing import Any

import nir
import numpy as np

LIMIT = 2**27
"""Most values of one signal at one step: 1 GB in float64."""


def conv_geometry(node: Any) -> tuple[tuple[int, ...], list[tuple[int, int]], tuple[int, ...], int]:
    """(stride, [(padding before, after)], dilation, groups) of a convolution; 'same' and 'valid' become numbers."""
    axes = node.weight.ndim - 2
    stride, dilation = (pair(getattr(node, f), axes, f) for f in ("stride", "dilation"))
    groups = int(np.asarray(node.groups).item())
    padding = node.padding.decode() if isinstance(node.padding, bytes) else node.padding
    if isinstance(padding, np.ndarray) and padding.dtype.kind in "OSU" and padding.size == 1:
        padding = str(padding.item())
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and max(stride) > 1):
            raise ValueError(f"padding '{padding}' with stride {stride}: 'valid', numbers, or 'same' with stride 1")
        total = [(k - 1) * d * (padding == "same") for k, d in zip(node.weight.shape[2:], dilation, strict=True)]
        return stride, [(t // 2, t - t // 2) for t in total], dilation, groups
    return stride, [(p, p) for p in pair(padding, axes, "padding")], dilation, groups


def conv_shape(node: Any, reads: tuple[int, ...]) -> tuple[int, ...]:
    """Output shape (channels, *space) of a convolution that reads ``reads``; ValueError if it does not fit."""
    axes = 1 if isinstance(node, nir.Conv1d) else 2
    weight = node.weight
    if weight.ndim != 2 + axes or len(reads) != 1 + axes:
        raise ValueError(f"weight {written(weight.shape)} does not fit an input of {written(reads)}")
    stride, padding, dilation, groups = conv_geometry(node)
    if groups < 1 or weight.shape[0] % groups or weight.shape[1] * groups != reads[0]:
        raise ValueError(f"weight {written(weight.shape)} in {groups} groups does not fit {reads[0]} channels")
    if node.input_shape is not None:
        same_shape(integers(node.input_shape, "input_shape"), reads[1:])
    if np.shape(node.bias) not in ((), (1,), (weight.shape[0],)):
        raise ValueError(f"bias has shape {written(np.shape(node.bias))} for {weight.shape[0]} channels")
    return (weight.shape[0], *positions(reads[1:], weight.shape[2:], stride, padding, dilation))


def positions(
    space: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: list[tuple[int, int]],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:  # fmt: skip
    """Number of window positions along each axis of ``space``; ValueError if none fits or the input is too large."""
    if len(space) != len(kernel):
        raise ValueError(f"reads {len(kernel)} axes of pixels, and its input is {written(space)}")
    if min(stride) < 1 or min(dilation) < 1 or min(kernel) < 1 or min(map(min, padding)) < 0:
        raise ValueError(f"stride {stride}, dilation {dilation} and kernel {kernel} are at least 1, padding at least 0")
    room = [n + sum(p) - (k - 1) * d - 1 for n, k, p, d in zip(space, kernel, padding, dilation, strict=True)]
    if min(room) < 0:
        raise ValueError(f"kernel {written(kernel)} is larger than its input of {written(space)}, padding included")
    if math.prod(n + sum(p) for n, p in zip(space, padding, strict=True)) > LIMIT:
        raise ValueError(f"padding {padding} makes the input larger than {LIMIT:,} values")
    return tuple(n // s + 1 for n, s in zip(room, stride, strict=True))


def pair(value: Any, axes: int, field: str) -> tuple[int, ...]:
    """A parameter as one integer per axis; a single value holds for all axes, other counts raise ValueError."""
    found = integers(value, field)
    if len(found) not in (1, axes):
        raise ValueError(f"{field} has {len(found)} values for {axes} axes")
    return found * axes if len(found) == 1 else found


def integers(value: Any, field: str) -> tuple[int, ...]:
    """A parameter of whole numbers as a tuple of int; ValueError, naming ``field``, for other values."""
    array = np.atleast_1d(np.asarray(value))
    if (
        array.dtype.kind not in "iuf"
        or array.ndim != 1
        or not np.isfinite(array).all()
        or (array != np.rint(array)).any()
    ):
        raise ValueError(f"{field} is {value!r}, not whole numbers")
    return tuple(int(n) for n in array)


def same_shape(declared: tuple[int, ...], reads: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``reads``, or raise ValueError if another shape is declared."""
    if declared != reads:
        raise ValueError(f"declares {written(declared)} and gets {written(reads)}")
    return reads


def written(shape: tuple[int, ...]) -> str:
    """A shape for messages, such as 3×28×28."""
    return "×".join(map(str, shape)) or "one"
