"""Convolutions along one, two or three axes, transposed ones too, and windows that are added up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import Unsupported, Value
from converters.lowering.handlers import Call, constant, handles
from converters.lowering.linear import dense, own
from converters.lowering.windows import convolve, per_axis
from processes.backends.tables import Geometry


@handles("conv1d", "conv2d", "conv3d", "convolution")
def convolution(call: Call) -> Value:
    """Convolution along one, two or three axes; a pending offset folds into the bias unless padding would dilute it."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if not isinstance(x, Value) or isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    general = call.function == "convolution"
    if general and call.args[6]:
        return transposed(call, x, constant(weight), None if bias is None else constant(bias))
    w, axes = own(weight), weight.ndim - 2
    stride, dilation = (per_axis(call.arg(i, name, 1), axes) for i, name in ((3, "stride"), (5, "dilation")))
    padding, groups = call.arg(4, "padding", 0), int(call.arg(8 if general else 6, "groups", 1))
    if isinstance(padding, str):
        x, padding = _padded(x, padding, w.shape[2:], dilation)
    padding, b = per_axis(padding, axes), None if bias is None else constant(bias)
    if axes == 1:  # a column of pixels
        x, inner = x.routed(("reshape", [*x.shape, 1])), replace(call, shape=(*call.shape, 1))
        stride, padding, dilation = (*stride, 1), (*padding, 0), (*dilation, 1)
        y = convolve(inner, x, w[..., None], b, _geometry(stride, padding, dilation, groups))
        return y.routed(("reshape", list(call.shape)))
    if axes == 3 and stride == w.shape[2:] and not any(padding) and groups == 1 and all(d == 1 for d in dilation):
        return _patches(call, x, w, b)
    return convolve(call, x, w, b, _geometry(stride, padding, dilation, groups))


def transposed(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None) -> Value:
    """A transposed convolution by weights (in, out / groups, ..., kw): a convolution of pixels with silence between."""
    if w.ndim == 3:  # a column of pixels
        args = list(call.args)
        for i, alone in ((3, 1), (4, 0), (5, 1), (7, 0)):
            args[i] = (*per_axis(args[i], 1), alone)
        inner = replace(call, args=tuple(args), shape=(*call.shape, 1))
        y = transposed(inner, x.routed(("reshape", [*x.shape, 1])), w[..., None], bias)
        return y.routed(("reshape", list(call.shape)))
    axes = w.ndim - 2
    stride, padding, dilation, extra = (per_axis(call.args[i], axes) for i in (3, 4, 5, 7))
    groups, kernel = int(call.args[8]), w.shape[2:]
    around = [far * (k - 1) - p for far, k, p in zip(dilation, kernel, padding, strict=True)]
    if min(around) < 0:
        raise Unsupported("a transposed convolution that cuts more than its kernel reaches")
    if x.offset is not None:
        x = Value(call.builder.graded(x, call.name), x.shape)
    channels, size = x.shape[1], x.shape[2:]
    spread = torch.zeros(
        [(n - 1) * s + 1 + more for n, s, more in zip(size, stride, extra, strict=True)], dtype=torch.long
    )
    numbers = torch.arange(1, math.prod(size) + 1).reshape(size)
    spread[tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(size, stride, strict=True))] = numbers
    x = x.routed(
        ("reshape", [x.shape[0], channels, math.prod(size)]), ("pad", [1, 0]), ("take", [2, spread.reshape(-1).tolist()]),
        ("reshape", [x.shape[0], channels, *spread.shape]),
    )  # fmt: skip
    per_group = np.flip(w, range(2, w.ndim)).reshape(groups, channels // groups, *w.shape[1:]).swapaxes(1, 2)
    geometry = {"stride": (1,) * axes, "padding": tuple(around), "dilation": dilation, "groups": groups}
    return convolve(call, x, np.ascontiguousarray(per_group.reshape(-1, channels // groups, *kernel)), bias, geometry)


@handles("col2im", "fold")
def fold(call: Call) -> Value:
    """Windows that are added up where they overlap, as a transposed convolution with one weight of 1 for each place."""
    x: Value = call.args[0]
    size, kernel, dilation, padding, stride = (per_axis(call.args[i], 2) for i in range(1, 6))
    starts = Geometry(stride, padding, dilation, 1).sides(kernel, size)
    geometry = zip(size, starts, kernel, dilation, padding, stride, strict=True)
    extra = [n - ((m - 1) * s - 2 * p + far * (k - 1) + 1) for n, m, k, far, p, s in geometry]
    places = math.prod(kernel)
    channels = x.shape[1] // places
    args = (None, None, None, stride, padding, dilation, True, extra, channels)
    w = np.tile(np.eye(places).reshape(places, 1, *kernel), (channels, 1, 1, 1))
    y = transposed(replace(call, args=args), x.routed(("reshape", [x.shape[0], x.shape[1], *starts])), w, None)
    return y.routed(("reshape", list(call.shape)))


def _geometry(
    stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> dict[str, Any]:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _padded(x: Value, padding: str, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[Value, int]:
    """The value with the zeros around it that "same" asks for, an odd one behind; and the padding that is left, 0."""
    sides: list[int] = []
    if padding == "same":
        for size, far in zip(reversed(kernel), reversed(dilation), strict=True):
            total = far * (size - 1)
            sides += [total // 2, total - total // 2]
    return x.routed(("pad", sides)) if any(sides) else x, 0


def _patches(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None) -> Value:
    """A convolution whose windows do not overlap, as a dense layer: x (N, in, D, H, W), w (out, in, kd, kh, kw)."""
    counts, kernel = call.shape[2:], w.shape[2:]
    split = [*x.shape[:2]]
    for axis, (count, size) in enumerate(zip(counts, kernel, strict=True)):
        x = x.routed(("slice", [axis + 2, 0, count * size, 1]))
        split += [count, size]
    rows = x.routed(
        ("reshape", split), ("permute", [0, 2, 4, 6, 1, 3, 5, 7]),
        ("reshape", [1, x.shape[0] * math.prod(counts), w[0].size]),
    )  # fmt: skip
    y = dense(call, rows, w.reshape(len(w), -1), bias)
    by_image = ("reshape", [x.shape[0], math.prod(counts), len(w)])
    return y.routed(by_image, ("permute", [0, 2, 1]), ("reshape", list(call.shape)))
