"""Sums and products of values: a pending offset or gain, a residual sum, or a product by traces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.builder import ONE, Unsupported, Value, as_parameter
from converters.lowering.handlers import Call
from processes.elementwise_product import ElementwiseProduct


def is_number(x: Any) -> bool:
    """Whether x is a real number of Python or a real tensor of one element."""
    return isinstance(x, (int, float)) or (isinstance(x, torch.Tensor) and x.numel() == 1 and not x.is_complex())


VOID = -1e30
"""At or below this a constant stands for minus infinity: no potential changes it, and the largest of others is above it."""


def is_void(x: Any) -> bool:
    """Whether x is a number, or a constant all of whose numbers are, at or below ``VOID``."""
    return isinstance(x, (int, float, torch.Tensor)) and bool((torch.as_tensor(x) <= VOID).all())


def _real(constant: Any) -> torch.Tensor:
    """A constant in float64.

    Raises:
        Unsupported: it is complex.
    """
    found = torch.as_tensor(constant).detach()
    if found.is_complex():
        raise Unsupported("a complex constant, where values are real")
    return found.double()


def broadcast(x: Value, shape: tuple[int, ...]) -> Value:
    """``x`` broadcast to ``shape`` by routes: repeated along axes of length 1 and along new leading axes."""
    if len(x.shape) < len(shape):
        x = x.routed(("reshape", [*[1] * (len(shape) - len(x.shape)), *x.shape]))
    return x if x.shape == shape else x.routed(("expand", list(shape)))


def shift(call: Call, x: Value, y: Any, sign: float) -> Value:
    """x + sign * y for a constant y: a pending offset where x is spikes or the input, else a bias of a residual sum."""
    offset = _real(y) * sign
    x = broadcast(x, tuple(torch.broadcast_shapes(offset.shape, x.shape)))
    if call.builder.emits(x.node) == "spikes" or x.node == call.builder.network.INPUT:
        if offset.numel() > 1 and offset.shape != torch.Size(call.shape):
            offset = offset.expand(call.shape) if len(call.shape) == len(x.shape) else offset
        return replace(x, offset=offset if x.offset is None else x.offset + offset)
    return summed(call, [x], as_parameter(offset.expand(x.shape), x.shape))


def summed(call: Call, values: list[Value], bias: np.ndarray) -> Value:
    """The sum of values, broadcast to the call's shape, and a constant: one population that integrates all of them."""
    values = [broadcast(v, call.shape) for v in values]
    return Value(call.builder.sum(values, bias, call.shape, f"{call.name}.add"), call.shape)


def less_log_sum(call: Call, x: Value, y: Value, softmax: Value) -> Value:
    """x - y for the logarithm y of the sum of exponentials of x: the logarithm of ``softmax``, as an exponential finds."""
    apart = summed(call, [replace(x, mask=None), scale(y, -1.0)], np.zeros(1))
    call.builder.log_softmaxes[apart.node] = softmax
    return replace(apart, mask=x.mask)


def scale(x: Value, factor: Any) -> Value:
    """x * factor for a constant factor: a pending gain, to be folded into the weights that read x."""
    gain = _real(factor)
    if gain.ndim:
        x = broadcast(x, tuple(torch.broadcast_shapes(gain.shape, x.shape)))
    if bool((gain == 1).all()):
        return x
    return replace(
        x,
        gain=gain if x.gain is None else x.gain * gain,
        offset=None if x.offset is None else x.offset * gain,
    )


def gate(call: Call, x: Value, y: Value) -> Value:
    """x * y, elementwise, of two activations by their traces.

    Gains of the operands become a gain of the product. An operand with an offset is coded anew.
    """
    b = call.builder
    gain, nodes = None, []
    for operand in (x, y):
        if operand.offset is not None:
            operand = Value(b.graded(operand, call.name), operand.shape)
        if operand.gain is not None:
            gain = operand.gain if gain is None else gain * operand.gain
        if len(operand.shape) != len(call.shape):
            lead = [1] * (len(call.shape) - len(operand.shape))
            operand = replace(operand, gain=None).routed(("reshape", [*lead, *operand.shape]))
        nodes.append(b.spikes(replace(operand, gain=None))[0])
    product = ElementwiseProduct(shape=call.shape, traces=np.stack([ONE, ONE]))
    return Value(b.network.add(f"{call.name}.product", product, *nodes), call.shape, gain=gain)
