"""Linear layers, convolutions and means: synapses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from converters.lowering import Call, constant, handles
from converters.lowering.builder import ONE, Unsupported, Value, as_parameter, last_axis
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse


@handles("linear")
def linear(call: Call) -> Value:
    """y = W (gain * x + offset) + b, gain and offset folded into W and b."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if not isinstance(x, Value) or isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    w = constant(weight)
    b = np.zeros(len(w)) if bias is None else constant(bias)
    node, gain, offset = call.builder.spikes(x)
    b = b + w @ last_axis(offset, x.shape, 0.0, "shift")
    w = w * last_axis(gain, x.shape, 1.0, "gain")
    op = DenseSynapse(shape=(*x.shape[:-1], len(w)), weight=w, bias=b, trace=ONE)
    return Value(call.builder.network.add(call.name, op, node), op.shape)


def _pair(x: Any) -> tuple[int, ...]:
    return (int(x), int(x)) if isinstance(x, int) else tuple(int(i) for i in (x if len(x) > 1 else [*x, *x]))


@handles("conv2d")
def conv2d(call: Call) -> Value:
    """Convolution; a pending offset folds into the bias unless padding would dilute it."""
    x, weight, bias = call.args[0], call.args[1], call.arg(2, "bias")
    if isinstance(weight, Value):
        raise Unsupported("its weights depend on the input")
    padding = call.arg(4, "padding", 0)
    if isinstance(padding, str):
        raise Unsupported(f"padding given as '{padding}'")
    geometry = {
        "stride": _pair(call.arg(3, "stride", 1)), "padding": _pair(padding),
        "dilation": _pair(call.arg(5, "dilation", 1)), "groups": int(call.arg(6, "groups", 1)),
    }  # fmt: skip
    w = constant(weight)
    b = np.zeros(len(w)) if bias is None else constant(bias)
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
    op = ConvSynapse(shape=call.shape, weight=w, bias=b, trace=ONE, **geometry)
    return Value(call.builder.network.add(call.name, op, node), op.shape)


def _channels(t: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    parameter = as_parameter(t, shape)
    if parameter.size != parameter.shape[1]:
        raise Unsupported("a gain or shift that varies over pixels precedes a convolution")
    return np.broadcast_to(parameter.reshape(-1), shape[1])


@handles("mean")
def mean(call: Call) -> Value:
    """Pooling is linear: one synapse of weight 1/n per pooled neuron."""
    x: Value = call.args[0]
    axes = call.arg(1, "dim")
    keep = bool(call.arg(2, "keepdim", False))
    pool = tuple(range(len(x.shape))) if axes is None else tuple(a % len(x.shape) for a in np.atleast_1d(axes))
    count = math.prod(x.shape[a] for a in pool)
    node, gain, offset = call.builder.spikes(x)
    shape = tuple(1 if a in pool else n for a, n in enumerate(x.shape))
    weight = (np.ones((1,) * len(shape)) if gain is None else as_parameter(gain, x.shape)) / count
    bias = np.zeros((1,) * len(shape)) if offset is None else as_parameter(offset.expand(x.shape).mean(pool, True), shape)
    op = ScaleSynapse(shape=shape, weight=weight, bias=bias, trace=ONE, pool=pool)
    value = Value(call.builder.network.add(call.name, op, node), shape)
    return value if keep else value.routed(("reshape", [n for a, n in enumerate(x.shape) if a not in pool]))
