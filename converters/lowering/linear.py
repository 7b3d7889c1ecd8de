"""Linear layers and linear maps between pixels: dense synapses with constant weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import ONE, Unsupported, Value, as_parameter, last_axis, narrow
from converters.lowering.handlers import HANDLERS, Call, constant, handles
from converters.lowering.windows import convolve
from processes.deferred import multiplied
from processes.synapse import DenseSynapse


@handles("linear")
def linear(call: Call) -> Value:
    """y = W (gain * x + offset) + b along the last axis, with gain and offset folded into W and b."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if not isinstance(x, Value) or isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    return dense(call, x, own(weight), None if bias is None else constant(bias))


def own(weight: torch.Tensor) -> np.ndarray:
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


@handles("grid_sampler_2d", "grid_sampler_3d")
def sample(call: Call) -> Value:
    """Pixels read at places between them, where these places do not depend on the input: a map of pixels."""
    x, grid, *modes = call.args
    if not isinstance(x, Value) or isinstance(grid, Value):
        raise Unsupported("where it reads an image depends on the input")
    if not bool((grid == grid[:1]).all()):
        raise Unsupported("another grid for each image")

    def read(images: torch.Tensor, *modes: Any) -> torch.Tensor:
        return call.target(images, grid[:1].to(images).expand(len(images), *grid.shape[1:]), *modes)

    return map_pixels(replace(call, args=(x, *modes), target=read))


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
