"""Normalisations: centre, code, square by traces, divide by a moving threshold."""

from __future__ import annotations

import numpy as np
import torch

from converters.lowering import Call, handles
from converters.lowering.builder import ONE, Unsupported, Value
from processes.dynamic_threshold import DynamicThreshold
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.schedule import FloatSchedule
from processes.residual import Centre
from processes.trace_product import SquareSum


@handles("layer_norm")
def layer_norm(call: Call) -> Value:
    """LayerNorm over the last axis; gamma and beta fold into the next layer."""
    x, axes = call.args[0], call.args[1]
    if len(axes) != 1:
        raise Unsupported(f"it normalises over {len(axes)} axes")
    b = call.builder
    centred = b.network.add(f"{call.name}.centre", Centre(shape=x.shape), b.graded(x, call.name))
    return _divide(call, centred, x.shape, call.arg(2, "weight"), call.arg(3, "bias"), call.arg(4, "eps", 1e-5))


@handles("rms_norm")
def rms_norm(call: Call) -> Value:
    """RMSNorm: the same without centring."""
    x, axes = call.args[0], call.args[1]
    if len(axes) != 1:
        raise Unsupported(f"it normalises over {len(axes)} axes")
    eps = call.arg(3, "eps")
    eps = torch.finfo(torch.float32).eps if eps is None else eps
    return _divide(call, call.builder.graded(x, call.name), x.shape, call.arg(2, "weight"), None, eps)


def _divide(
    call: Call, source: str, shape: tuple[int, ...], weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
) -> Value:
    net = call.builder.network
    ones = np.ones((1,) * len(shape))
    schedule = FloatSchedule(function="identity", scale=ones, unit=ones, base=2.0, steps=2)
    coded = net.add(f"{call.name}.code", PhaseNeuron(shape=shape, schedule=schedule), source)
    squares = SquareSum(shape=(*shape[:-1], 1), trace=ONE, weight=ones)
    squared = net.add(f"{call.name}.squares", squares, coded)
    norm = DynamicThreshold(
        shape=shape, scale=ones, base=2.0, steps=2, table=np.ones((1, 2)), squared=True,
        offset=float(shape[-1] * eps), features=shape[-1],
    )  # fmt: skip
    node = net.add(call.name, norm, source, squared)
    return Value(node, shape, gain=weight, offset=bias)
