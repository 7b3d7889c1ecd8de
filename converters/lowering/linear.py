"""Linear layers, convolutions and linear maps between pixels: synapses with constant weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import ONE, Unsupported, Value, as_parameter, last_axis, narrow
from converters.lowering.handlers import HANDLERS, Call, constant, handles
from processes.backends.tables import Geometry
from processes.deferred import multiplied
from processes.synapse import ConvSynapse, DenseSynapse


@handles("linear")
def linear(call: Call) -> Value:
    """y = W (gain * x + offset) + b along the last axis, with gain and offset folded into W and b."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if not isinstance(x, Value) or isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    return dense(call, x, _own(weight), None if bias is None else constant(bias))


def _own(weight: torch.Tensor) -> np.ndarray:
    """A model's float32 weights as an array that shares the model's memory; others as a float64 copy."""
    return weight.detach().cpu().contiguous().numpy() if weight.dtype == torch.float32 else constant(weight)


def dense(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None) -> Value:
    """Add a dense synapse: x W^T + bias along the last axis, W (out, in), bias (out,) or None."""
    b = np.zeros(len(w)) if bias is None else np.broadcast_to(bias, len(w))
    if x.offset is not None and as_parameter(x.offset, x.shape).size not in (1, x.shape[-1]):  # positions, by token
        rows = torch.from_numpy(np.broadcast_to(as_parameter(x.offset, x.shape), x.shape) @ w.T)
        y = dense(call, replace(x, offset=None), w, bias)
        return HANDLERS["add"](replace(call, args=(y, rows), kwargs={}, shape=y.shape))
    x = call.builder.along(x, -1, call.name)
    node, gain, offset = call.builder.spikes(x)
    if offset is not None:
        b = b + w @ last_axis(offset, x.shape, "shift")
    w = narrow(w)
    if gain is not None:
        w = multiplied(w, last_axis(gain, x.shape, "gain"), np.float64)
    op = DenseSynapse(shape=(*x.shape[:-1], len(w)), weight=w, bias=b, trace=ONE)
    return Value(call.builder.network.add(call.name, op, node), op.shape)


@handles("mm", "addmm")
def matrix(call: Call) -> Value:
    """bias + x W, as in GPT-2's Conv1D, and as einsum decomposes."""
    bias, x, w = call.args if call.function == "addmm" else (None, *call.args)
    if call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("beta", 1) != 1:
        raise Unsupported("a scaled product or sum")
    if isinstance(bias, Value):
        raise Unsupported("a bias that depends on the input")
    if bias is not None and bias.numel() not in (1, call.shape[-1]):
        raise Unsupported("a bias that differs between rows")
    y = constant_product(call, x, w)
    return y if bias is None else HANDLERS["add"](replace(call, args=(y, bias.reshape(-1)), kwargs={}))


def constant_product(call: Call, a: Any, b: Any) -> Value:
    """A matrix product of a value and a constant, on either side; one matrix for all heads, or one for each head."""
    if isinstance(a, Value) and isinstance(b, torch.Tensor):
        w = constant(b)
        if w.ndim == 1:
            return dense(call, a, w[None], None).routed(("reshape", list(call.shape)))
        if w.ndim == 2 or math.prod(w.shape[:-2]) == 1:
            y = dense(call, a, w.reshape(w.shape[-2:]).T, None)
            return y if y.shape == call.shape else y.routed(("reshape", list(call.shape)))
        return _by_head(call, a, np.swapaxes(w, -1, -2))
    if isinstance(b, Value) and isinstance(a, torch.Tensor) and len(b.shape) > 1:
        swap = [*range(len(call.shape) - 2), len(call.shape) - 1, len(call.shape) - 2]
        turned = b.routed(("permute", [*range(len(b.shape) - 2), len(b.shape) - 1, len(b.shape) - 2]))
        shape = tuple(call.shape[i] for i in swap)
        y = constant_product(replace(call, shape=shape), turned, torch.as_tensor(np.swapaxes(constant(a), -1, -2)))
        return y.routed(("permute", swap))
    raise Unsupported("a product of these operands")


@handles("cumsum")
def cumulative_sum(call: Call) -> Value:
    """A cumulative sum along an axis, as a product with a triangular matrix of ones."""
    x: Value = call.args[0]
    axis = int(call.arg(1, "dim")) % len(x.shape)
    order = [*(a for a in range(len(x.shape)) if a != axis), axis]
    y = dense(call, x.routed(("permute", order)), np.tril(np.ones((x.shape[axis],) * 2)), None)
    return y.routed(("permute", [order.index(a) for a in range(len(order))]))


def _by_head(call: Call, x: Value, w: np.ndarray) -> Value:
    """x (1, heads, rows, in) times W (heads, out, in) of each head, as a grouped convolution with rows as pixels."""
    heads, outputs, inputs = w.reshape(-1, *w.shape[-2:]).shape
    rows = x.shape[-2]
    if math.prod(x.shape[:-2]) != heads or call.shape != (*x.shape[:-1], outputs):
        raise Unsupported("matrices that are repeated over heads")
    x = x.routed(("reshape", [heads, rows, inputs]), ("permute", [0, 2, 1]), ("reshape", [1, heads * inputs, rows, 1]))
    geometry = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": heads}
    inner = replace(call, shape=(1, heads * outputs, rows, 1))
    y = convolve(inner, x, w.reshape(heads * outputs, inputs, 1, 1), None, geometry)
    return y.routed(("reshape", [heads, outputs, rows]), ("permute", [0, 2, 1]), ("reshape", list(call.shape)))


@handles("conv1d", "conv2d", "conv3d", "convolution")
def convolution(call: Call) -> Value:
    """Convolution along one, two or three axes; a pending offset folds into the bias unless padding would dilute it."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if not isinstance(x, Value) or isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    general = call.function == "convolution"
    if general and call.args[6]:
        return transposed(call, x, constant(weight), None if bias is None else constant(bias))
    w, axes = _own(weight), weight.ndim - 2
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
    if axes == 2:
        return convolve(call, x, w, b, _geometry(stride, padding, dilation, groups))
    if stride != w.shape[2:] or any(padding) or groups != 1 or any(d != 1 for d in dilation):
        raise Unsupported("a convolution along three axes whose windows overlap")
    return _patches(call, x, w, b)


def transposed(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None) -> Value:
    """A transposed convolution by weights (in, out / groups, kh, kw): a convolution of pixels with silence between them."""
    if w.ndim == 3:  # a column of pixels
        args = list(call.args)
        for i, alone in ((3, 1), (4, 0), (5, 1), (7, 0)):
            args[i] = (*per_axis(args[i], 1), alone)
        inner = replace(call, args=tuple(args), shape=(*call.shape, 1))
        y = transposed(inner, x.routed(("reshape", [*x.shape, 1])), w[..., None], bias)
        return y.routed(("reshape", list(call.shape)))
    if w.ndim != 4:
        raise Unsupported("a transposed convolution along three axes")
    stride, padding, dilation, extra = (per_axis(call.args[i], 2) for i in (3, 4, 5, 7))
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
    spread[: (size[0] - 1) * stride[0] + 1 : stride[0], : (size[1] - 1) * stride[1] + 1 : stride[1]] = numbers
    x = x.routed(
        ("reshape", [1, channels, math.prod(size)]), ("pad", [1, 0]), ("take", [2, spread.reshape(-1).tolist()]),
        ("reshape", [1, channels, *spread.shape]),
    )  # fmt: skip
    per_group = w[:, :, ::-1, ::-1].reshape(groups, channels // groups, *w.shape[1:]).swapaxes(1, 2)
    geometry = {"stride": (1, 1), "padding": tuple(around), "dilation": dilation, "groups": groups}
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
    y = transposed(replace(call, args=args), x.routed(("reshape", [1, x.shape[1], *starts])), w, None)
    return y.routed(("reshape", list(call.shape)))


def _geometry(
    stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> dict[str, Any]:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def per_axis(x: Any, axes: int) -> tuple[int, ...]:
    """One number for each of ``axes`` axes, from one number for all or one for each."""
    numbers = [int(x)] if isinstance(x, int) else [int(i) for i in x]
    return tuple(numbers * axes) if len(numbers) == 1 else tuple(numbers)


def _padded(x: Value, padding: str, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[Value, int]:
    """The value with the zeros around it that "same" asks for, an odd one behind; and the padding that is left, 0."""
    sides: list[int] = []
    if padding == "same":
        for size, far in zip(reversed(kernel), reversed(dilation), strict=True):
            total = far * (size - 1)
            sides += [total // 2, total - total // 2]
    return x.routed(("pad", sides)) if any(sides) else x, 0


def _patches(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None) -> Value:
    """A convolution whose windows do not overlap, as a dense layer: x (1, in, D, H, W), w (out, in, kd, kh, kw)."""
    counts, kernel = call.shape[2:], w.shape[2:]
    split = [x.shape[1]]
    for axis, (count, size) in enumerate(zip(counts, kernel, strict=True)):
        x = x.routed(("slice", [axis + 2, 0, count * size, 1]))
        split += [count, size]
    rows = x.routed(
        ("reshape", split), ("permute", [1, 3, 5, 0, 2, 4, 6]), ("reshape", [1, math.prod(counts), w[0].size])
    )
    y = dense(call, rows, w.reshape(len(w), -1), bias)
    return y.routed(("permute", [0, 2, 1]), ("reshape", list(call.shape)))


def convolve(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None, geometry: dict[str, Any]) -> Value:
    """Add a convolution of x (1, in, H, W) by constant weights (out, in / groups, kh, kw); gain and offset fold in."""
    b = np.zeros(len(w)) if bias is None else bias
    x = call.builder.along(x, 1, call.name)
    node, gain, offset = call.builder.spikes(x)
    if offset is not None and any(geometry["padding"]):
        # zero padding is silence, so the shifted value itself has to be coded
        node, gain, offset = call.builder.spikes(Value(call.builder.graded(x, call.name), x.shape))
    per_group = np.repeat(np.arange(geometry["groups"]), len(w) // geometry["groups"])[:, None]
    columns = per_group * w.shape[1] + np.arange(w.shape[1])
    if offset is not None:
        b = b + np.einsum("oikl,oi->o", w, _channels(offset, x.shape)[columns])
    if gain is not None:
        w = w * _channels(gain, x.shape)[columns][:, :, None, None]
    op = ConvSynapse(shape=call.shape, weight=narrow(w), bias=b, trace=ONE, **geometry)
    return Value(call.builder.network.add(call.name, op, node), op.shape)


def _channels(t: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    parameter = as_parameter(t, shape)
    if parameter.size != parameter.shape[1]:
        raise Unsupported("a gain or shift that varies over pixels precedes a convolution")
    return np.broadcast_to(parameter.reshape(-1), shape[1])


MAPPED = 2**24
"""Most weights of a map between all pixels of one channel, which all channels share."""


@handles("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d", "_upsample_bilinear2d_aa",
         "_upsample_bicubic2d_aa")  # fmt: skip
def map_pixels(call: Call) -> Value:
    """A map that is linear in each channel's pixels, as a dense synapse whose weights are found from unit images."""
    x: Value = call.args[0]
    pixels, size = x.shape[2:], math.prod(x.shape[2:])
    mapped = math.prod(call.shape[2:])
    if size * mapped > MAPPED:
        return _by_axis(call, x)
    unit = torch.eye(size).reshape(size, 1, *pixels)
    w = constant(call.target(unit, *call.args[1:], **call.kwargs)).reshape(size, mapped).T
    y = dense(call, x.routed(("reshape", [*x.shape[:2], size])), w, None)
    return y.routed(("reshape", list(call.shape)))


def _by_axis(call: Call, x: Value) -> Value:
    """A linear map of pixels as one dense synapse for each axis, as resizing is a product of maps along the axes.

    Raises:
        Unsupported: the map is no such product.
    """
    pixels, wanted = x.shape[2:], call.shape[2:]
    picture = torch.rand(1, 1, *pixels, dtype=torch.float64)
    expected, found, y = call.target(picture, *call.args[1:], **call.kwargs), picture, x
    for axis, (before, after) in enumerate(zip(pixels, wanted, strict=True), 2):
        shape = [1] * len(pixels)
        shape[axis - 2] = before
        unit = torch.eye(before, dtype=torch.float64).reshape(before, 1, *shape).expand(before, 1, *pixels)
        mapped = call.target(unit, *call.args[1:], **call.kwargs).movedim(axis, -1).reshape(before, -1, after)
        w = constant(mapped[:, 0]).T
        found = (found.movedim(axis, -1) @ torch.from_numpy(w).T).movedim(-1, axis)
        order = [a for a in range(len(x.shape)) if a != axis] + [axis]
        y = dense(call, y.routed(("permute", order)), w, None)
        y = y.routed(("permute", [order.index(a) for a in range(len(order))]))
    if not torch.allclose(found, expected, atol=1e-6):
        raise Unsupported("a map between pixels that is no product of maps along each axis, and too large for one")
    return y
