"""Linear layers and convolutions: synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from converters.lowering import Call, constant, handles
from converters.lowering.builder import ONE, Unsupported, Value, as_parameter, last_axis
from processes.synapse import ConvSynapse, DenseSynapse


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


def pair(x: Any) -> tuple[int, ...]:
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
        "stride": pair(call.arg(3, "stride", 1)), "padding": pair(padding),
        "dilation": pair(call.arg(5, "dilation", 1)), "groups": int(call.arg(6, "groups", 1)),
    }  # fmt: skip
    return convolve(call, x, constant(weight), None if bias is None else constant(bias), geometry)


def convolve(call: Call, x: Value, w: np.ndarray, bias: np.ndarray | None, geometry: dict[str, Any]) -> Value:
    """A convolution by constant weights (out, in / groups, kh, kw)."""
    b = np.zeros(len(w)) if bias is None else bias
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
