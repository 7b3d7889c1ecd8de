"""Logarithms of values, of sums of exponentials and of softmax: a threshold schedule reads the sum that a race leaves.

A softmax's race gives exp(x - x_max), whose sum S is 1 or more, so that log sum exp(x) is x_max + log(S), and the logarithm
of a softmax is x less that.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.activations import activate
from converters.lowering.arithmetic import less_log_sum, scale, shift, summed
from converters.lowering.attention import race
from converters.lowering.builder import Value
from converters.lowering.curves import curve, resolved
from converters.lowering.divisors import rows, total, unrows
from converters.lowering.handlers import HANDLERS, Call, handles
from converters.lowering.norm import chosen
from converters.lowering.routing import wiring

LOGARITHMS = {"log": (0.0, math.e), "log1p": (1.0, math.e), "log2": (0.0, 2.0), "log10": (0.0, 10.0)}
"""By name, what is added to a value before its logarithm is taken, and the base."""


@handles(*LOGARITHMS, curves=True)
def logarithm(call: Call) -> Any:
    """A logarithm, which is that of a positive value wherever the model gives numbers; a part of a function of one value."""
    more, base = LOGARITHMS[call.function]

    def fired(x: Value) -> Value:
        x = shift(replace(call, shape=x.shape), x, more, 1.0) if more else x
        return scale(resolved(activate(call, Value(call.builder.join(x), x.shape), "log")), 1 / math.log(base))

    if (known := curve(call.args[0])) is None:
        return fired(call.args[0])
    return known.then(lambda v: torch.log(v + more) / math.log(base), fired)


@handles("logsumexp")
def log_sum_exp(call: Call) -> Value:
    """The logarithm of a sum of exponentials along axes, which ``keepdim`` keeps with length 1."""
    x: Value = call.args[0]
    axes = chosen(x, call.args[1])
    found, softmax = _log_sum(call, x, axes)
    call.builder.log_sums[found.node] = x, found.routed(("reshape", _summed_shape(x, axes))), softmax
    return found.routed(("reshape", list(call.shape)))


@handles("log_softmax", "_log_softmax")
def log_softmax(call: Call) -> Value:
    """The logarithm of a softmax along an axis."""
    x: Value = call.args[0]
    axes = chosen(x, call.args[1])
    found, softmax = _log_sum(call, x, axes)
    return less_log_sum(call, x, found.routed(("reshape", _summed_shape(x, axes))), softmax)


def _summed_shape(x: Value, axes: tuple[int, ...]) -> list[int]:
    """The shape of x with length 1 along the axes that are summed over."""
    return [1 if a in axes else n for a, n in enumerate(x.shape)]


def _log_sum(call: Call, x: Value, axes: tuple[int, ...]) -> tuple[Value, Value]:
    """The logarithm of the sum of exponentials of x along ``axes``, in the shape of the other axes, and 1; the softmax of x."""
    y = rows(x, axes)
    weights = race(call.builder, replace(y, offset=None, mask=None), 1.0, y.mask or y.offset, f"{call.name}.race")
    inner = replace(call, shape=(*y.shape[:-1], 1), kwargs={})
    logarithms = activate(inner, total(inner, replace(weights, normaliser=None), 1.0), "log")
    largest = HANDLERS["amax"](replace(inner, function="amax", args=(_kept(call, y), [-1], True)))
    return summed(inner, [resolved(logarithms), largest], np.zeros(1)), unrows(weights, x.shape, axes)


def _kept(call: Call, x: Value) -> Value:
    """Rows without the values that a mask leaves out, some of the others in their places: that changes no largest value."""
    mask = x.mask
    if mask is None:
        return x
    if mask.keys is not None:
        x.check_unmasked()
    allowed, x = mask.allowed.expand(x.shape), replace(x, mask=None)
    if mask.bias is not None:
        x = shift(replace(call, shape=x.shape), x, mask.bias, 1.0)
    order, counts = allowed.double().sort(dim=-1, descending=True, stable=True).indices, allowed.sum(-1, keepdim=True)
    index = torch.where(torch.arange(x.shape[-1]) < counts, order, order[..., :1])[..., : int(counts.max())]
    args = (x, len(x.shape) - 1, index)
    return wiring(replace(call, function="gather", args=args, kwargs={}, shape=tuple(index.shape), target=torch.gather))
