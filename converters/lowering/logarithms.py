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
from converters.lowering.arithmetic import scale, shift, summed
from converters.lowering.attention import race
from converters.lowering.builder import Unsupported, Value
from converters.lowering.curves import curve, resolved
from converters.lowering.divisors import is_never_negative, rows, total
from converters.lowering.handlers import HANDLERS, Call, handles
from converters.lowering.norm import chosen

LOGARITHMS = {"log": (0.0, math.e), "log1p": (1.0, math.e), "log2": (0.0, 2.0), "log10": (0.0, 10.0)}
"""By name, what is added to a value before its logarithm is taken, and the base."""


@handles(*LOGARITHMS, curves=True)
def logarithm(call: Call) -> Any:
    """A logarithm: a part of a function of one value, such as a log-sigmoid, or that of a value that is never negative."""
    more, base = LOGARITHMS[call.function]

    def fired(x: Value) -> Value:
        x = shift(replace(call, shape=x.shape), x, more, 1.0) if more else x
        if not is_never_negative(call.builder, x):
            raise Unsupported("a logarithm of what may be negative")
        return scale(resolved(activate(call, Value(call.builder.join(x), x.shape), "log")), 1 / math.log(base))

    if (known := curve(call.args[0])) is None:
        return fired(call.args[0])
    return known.then(lambda v: torch.log(v + more) / math.log(base), fired)


@handles("logsumexp")
def log_sum_exp(call: Call) -> Value:
    """The logarithm of a sum of exponentials along axes, which ``keepdim`` keeps with length 1."""
    found = _log_sum(call, call.args[0], chosen(call.args[0], call.args[1]))
    return found.routed(("reshape", list(call.shape)))


@handles("log_softmax", "_log_softmax")
def log_softmax(call: Call) -> Value:
    """The logarithm of a softmax along an axis."""
    x: Value = call.args[0]
    axes = chosen(x, call.args[1])
    kept = [1 if a in axes else n for a, n in enumerate(x.shape)]
    return summed(call, [x, scale(_log_sum(call, x, axes).routed(("reshape", kept)), -1.0)], np.zeros(1))


def _log_sum(call: Call, x: Value, axes: tuple[int, ...]) -> Value:
    """The logarithm of the sum of exponentials of x along ``axes``, in the shape of the other axes, and 1."""
    x.check_unmasked()
    y = rows(x, axes)
    weights = race(call.builder, replace(y, offset=None), 1.0, y.offset, f"{call.name}.race")
    inner = replace(call, shape=(*y.shape[:-1], 1), kwargs={})
    logarithms = activate(inner, total(inner, replace(weights, normaliser=None), 1.0), "log")
    largest = HANDLERS["amax"](replace(inner, function="amax", args=(y, [-1], True)))
    return summed(inner, [resolved(logarithms), largest], np.zeros(1))
