"""Synapses that read windows of pixels: convolutions along two axes, and along three, whose frames become channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import ONE, Unsupported, Value, as_parameter, narrow
from converters.lowering.handlers import Call
from processes.synapse import ConvSynapse


def per_axis(x: Any, axes: int) -> tuple[int, ...]:
    """One number for each of ``axes`` axes, from one number for all or one for each."""
    numbers = [int(x)] if isinstance(x, int) else [int(i) for i in x]
    return tuple(numbers * axes) if len(numbers) == 1 else tuple(numbers)


def convolve(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None, geometry: dict[str, Any]) -> Value:
    """Add a convolution of x (N, in, ..., H, W) by constant weights (out, in / groups, ..., kh, kw), along two or three axes.

    Args:
        call: the operation, with the result's shape.
        x: what is convolved; its gain and offset fold in.
        w: the weights.
        bias: (out,), or None.
        geometry: "stride", "padding" and "dilation" with a number for each axis, and "groups".
    """
    return _frames(call, x, w, bias, geometry) if w.ndim == 5 else _images(call, x, w, bias, geometry)


def _frames(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None, geometry: dict[str, Any]) -> Value:
    """A convolution along three axes as one of images, whose channels are those of all frames that a window spans."""
    n, channels, _, *size = x.shape
    outputs, frames, span = len(w), call.shape[2], w.shape[2]
    (stride, *strides), (padding, *paddings), (dilation, *dilations) = (
        geometry[name] for name in ("stride", "padding", "dilation")
    )
    if padding:  # silence, so that a shifted value itself has to be coded
        x = Value(call.builder.join(x), x.shape) if x.offset is not None else x
        x = x.routed(("pad", [0, 0, 0, 0, padding, padding]))
    spanned = [frame * stride + k * dilation for frame in range(frames) for k in range(span)]
    x = x.routed(
        ("take", [2, spanned]), ("reshape", [n, channels, frames, span, *size]), ("permute", [0, 2, 1, 3, 4, 5]),
        ("reshape", [n * frames, channels * span, *size]),
    )  # fmt: skip
    inner = replace(call, shape=(n * frames, outputs, *call.shape[3:]))
    own = {"stride": tuple(strides), "padding": tuple(paddings), "dilation": tuple(dilations)}
    y = _images(inner, x, w.reshape(outputs, -1, *w.shape[3:]), bias, {**geometry, **own})
    return y.routed(("reshape", [n, frames, outputs, *call.shape[3:]]), ("permute", [0, 2, 1, 3, 4]))


def _images(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None, geometry: dict[str, Any]) -> Value:
    """A convolution along two axes."""
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
