"""Sums, means and average pooling: synapses whose weights are all equal."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import scale
from converters.lowering.builder import ONE, Unsupported, Value, as_parameter
from converters.lowering.curves import Curve, resolved
from converters.lowering.handlers import Call, handles
from converters.lowering.linear import map_pixels
from converters.lowering.norm import squares
from converters.lowering.windows import convolve, per_axis
from processes.synapse import ScaleSynapse


@handles("mean", "sum", curves=True)
def mean(call: Call) -> Any:
    """A mean or sum along axes, as synapses of weight 1/n or 1; of squares, a divisor for a normalisation."""
    x, axes = call.args[0], call.arg(1, "dim")
    keep, of_mean = bool(call.arg(2, "keepdim", False)), call.function == "mean"
    chosen = [] if axes is None else np.atleast_1d(axes).tolist()
    pool = tuple(int(a) % len(x.shape) for a in chosen or range(len(x.shape)))
    if isinstance(x, Curve) and x.square_of is not None:
        return squares(resolved(x.square_of), tuple(sorted(pool)), of_mean, keep)
    x = resolved(x)
    if len(pool) == len(x.shape) and not keep:
        raise Unsupported("one number for all samples of a batch; keep the batch's axis, as in x.mean((1, 2))")
    value = average(call, x, pool)
    if of_mean and keep:
        call.builder.remember_mean(value, x, tuple(sorted(pool)))
    if not of_mean:
        value = scale(value, math.prod(x.shape[a] for a in pool))
    return value if keep else value.routed(("reshape", [n for a, n in enumerate(x.shape) if a not in pool]))


def average(call: Call, x: Value, pool: tuple[int, ...]) -> Value:
    """The mean of x over the axes ``pool``, which stay with length 1; gain and offset are folded."""
    count = math.prod(x.shape[a] for a in pool)
    if x.gain is not None and any(as_parameter(x.gain, x.shape).shape[a] > 1 for a in pool):
        x = Value(call.builder.graded(x, call.name), x.shape)
    node, gain, offset = call.builder.spikes(x)
    shape = tuple(1 if a in pool else n for a, n in enumerate(x.shape))
    weight = (np.ones((1,) * len(shape)) if gain is None else as_parameter(gain, x.shape)) / count
    bias = (
        np.zeros((1,) * len(shape)) if offset is None else as_parameter(offset.expand(x.shape).mean(pool, True), shape)
    )
    op = ScaleSynapse(shape=shape, weight=weight, bias=bias, trace=ONE, pool=pool)
    return Value(call.builder.network.add(call.name, op, node), shape)


@handles("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_average(call: Call) -> Value:
    """Adaptive average pooling: a mean if one value is left, else equal windows, or a map of pixels if they differ."""
    x: Value = call.args[0]
    axes = tuple(range(len(x.shape) - int(call.function[-2]), len(x.shape)))
    if all(call.shape[a] == 1 for a in axes):
        return average(call, x, axes)
    factors = tuple(x.shape[a] // call.shape[a] for a in axes)
    if len(axes) == 1 or any(x.shape[a] % call.shape[a] for a in axes):
        return map_pixels(call)
    return _windows(call, x, factors, factors, (0,) * len(axes))


@handles("avg_pool2d", "avg_pool3d")
def average_windows(call: Call) -> Value:
    """Average pooling by a depthwise convolution of equal weights; a gain at edges if padding does not count."""
    x, axes = call.args[0], len(call.shape) - 2
    kernel, padding = per_axis(call.args[1], axes), per_axis(call.arg(3, "padding", 0), axes)
    stride = per_axis(call.arg(2, "stride") or kernel, axes)
    reached = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(x.shape[2:], padding, kernel, stride, strict=True)]
    if list(call.shape[2:]) != reached:
        return map_pixels(call)  # windows that reach beyond the padding average what there is
    if call.arg(6, "divisor_override") is not None:
        raise Unsupported("a divisor of its own")
    value = _windows(call, x, kernel, stride, padding)
    if not any(padding) or call.arg(5, "count_include_pad", True):
        return value
    ones = torch.ones(1, 1, *x.shape[2:], dtype=torch.float64)
    pool = torch.nn.functional.avg_pool2d if axes == 2 else torch.nn.functional.avg_pool3d
    return scale(value, 1 / pool(ones, kernel, stride, padding))


def _windows(call: Call, x: Value, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> Value:
    """A depthwise convolution that averages windows of x (N, channels, ..., H, W); padding counts as zeros."""
    channels = x.shape[1]
    weight = np.full((channels, 1, *kernel), 1 / math.prod(kernel))
    geometry = {"stride": stride, "padding": padding, "dilation": (1,) * len(kernel), "groups": channels}
    return convolve(call, x, weight, None, geometry)


@handles("avg_pool1d")
def average_sequence(call: Call) -> Value:
    """1-D average pooling, as 2-D average pooling of a column of pixels."""
    x: Value = call.args[0]
    kernel, padding = call.args[1][0], int(np.ravel(call.arg(3, "padding", 0))[0])
    stride = (call.arg(2, "stride") or [kernel])[0]
    column = x.routed(("reshape", [*x.shape, 1]))
    args = (column, [kernel, 1], [stride, 1], [padding, 0], *call.args[4:])
    return average_windows(replace(call, args=args, shape=(*call.shape, 1))).routed(("reshape", list(call.shape)))
