"""Activations: threshold schedules of the next firing neurons, or parts of a longer function of one value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import scale, shift, summed
from converters.lowering.builder import Mask, Unsupported, Value
from converters.lowering.curves import Curve, curve, resolved
from converters.lowering.handlers import Call, handles
from processes.phase_neuron.activations import activation as function_of
from processes.phase_neuron.activations import fires_at_rest

PLAIN = (
    "relu", "gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "hardswish", "hardsigmoid", "softsign", "selu",
    "atan", "asinh", "asin",
)  # fmt: skip
"""Activations without parameters, which have the same name here as in PyTorch."""
PARAMETERS = {
    "relu6": lambda call: "clamp:0,6",
    "hardtanh": lambda call: f"clamp:{float(call.arg(1, 'min_val', -1.0))},{float(call.arg(2, 'max_val', 1.0))}",
    "leaky_relu": lambda call: f"leaky_relu:{float(call.arg(1, 'negative_slope', 0.01))}",
    "celu": lambda call: f"celu:{float(call.arg(1, 'alpha', 1.0))}",
    "softshrink": lambda call: f"softshrink:{float(call.arg(1, 'lambd', 0.5))}",
    "softplus": lambda call: f"softplus:{float(call.arg(1, 'beta', 1.0))}",
}
"""Activations with parameters: a call's name for :func:`processes.phase_neuron.activations.activation`."""


@handles(*PLAIN, *(f"{name}_" for name in PLAIN), *PARAMETERS, *(f"{name}_" for name in PARAMETERS), curves=True)
def activation(call: Call) -> Any:
    """An activation: the threshold schedule of the neuron that fires next, or a part of a function of one value."""
    target = call.function.removesuffix("_")
    if target == "gelu" and call.kwargs.get("approximate", "none") == "tanh":
        target = "gelu_tanh"
    if target in PARAMETERS:
        target = PARAMETERS[target](call)
    return activate(call, call.args[0], target)


def activate(call: Call, x: Any, target: str) -> Any:
    """Apply the activation named ``target`` to a value; to a function of one potential, as another such function.

    Raises:
        Unsupported: x is an attention mask.
    """
    f = function_of(target).torch
    if isinstance(x, Mask):
        raise Unsupported("a function of an attention mask: only a softmax reads one")
    if isinstance(x, Curve):
        return x.then(f, lambda value: _fire_as(call, value, target))
    if target == "exp" and replace(x, mask=None).plain and x.node in call.builder.log_softmaxes:
        return call.builder.log_softmaxes[x.node].routed(*x.steps)
    if x.mask is not None:
        return _of_those_kept(call, x, target)
    if x.plain and call.builder.emits(x.node) != "spikes":
        if x.padded and fires_at_rest(target):
            x = Value(call.builder.join(x), x.shape)
        return replace(x, activation=target)
    if (known := curve(x)) is not None and call.builder.emits(x.node) != "spikes":
        return known.then(f, lambda value: _fire_as(call, value, target))
    return _fire_as(call, x, target)


def _of_those_kept(call: Call, x: Value, target: str) -> Value:
    """A function that is 0 at minus infinity, to which a constant pattern sets some values: decays of state spaces."""
    mask = x.mask
    if mask is None or mask.keys is not None or target not in ("exp", "sigmoid"):
        raise Unsupported("values left out by a mask, outside a softmax")
    y = replace(x, mask=None)
    if mask.bias is not None:
        y = shift(replace(call, shape=x.shape), y, mask.bias, 1.0)
    keep = mask.allowed.double()  # before the function, too, as it may be huge of the values that are left out
    return scale(resolved(activate(call, scale(y, keep), target)), keep)


def _fire_as(call: Call, x: Value, target: str) -> Value:
    """x with the activation pending; joined to a potential first if it is coded, or more than a route is pending."""
    if not x.plain or call.builder.emits(x.node) == "spikes":
        x = Value(call.builder.join(x), x.shape)
    return replace(x, activation=target)


@handles("elu", "elu_")
def elu(call: Call) -> Any:
    """ELU, with an output scale as a gain (SELU's decomposition is one); an input scale other than 1 is refused."""
    alpha, gain, inner = (float(call.arg(i, name, 1.0)) for i, name in ((1, "alpha"), (2, "scale"), (3, "input_scale")))
    if inner != 1:
        raise Unsupported(f"ELU with an input scale of {inner:g}")
    y = activate(call, call.args[0], f"elu:{alpha}")
    return y if gain == 1 else scale(resolved(y), gain)


@handles("prelu", "_prelu_kernel")
def prelu(call: Call) -> Any:
    """PReLU: a leaky ReLU if all slopes are the same and not negative, else relu(x) - slope * relu(-x)."""
    x, slopes = call.args[0], torch.as_tensor(call.args[1]).double()
    slope = float(slopes.flatten()[0])
    if slope >= 0 and bool((slopes == slope).all()):
        return activate(call, x, f"leaky_relu:{slope}")
    if slopes.ndim == 1 and slopes.numel() > 1:
        slopes = slopes.reshape(-1, *(1,) * (len(x.shape) - 2))
    return _both_signs(call, x, -slopes)


@handles("abs", curves=True)
def absolute(call: Call) -> Any:
    """|x| as a part of a longer function of one value, or else as relu(x) + relu(-x), the sum of two populations."""
    if (known := curve(call.args[0])) is None:
        return _both_signs(call, call.args[0], 1.0)
    return known.then(torch.abs, lambda value: _both_signs(call, value, 1.0))


def _both_signs(call: Call, x: Value, factor: Any) -> Value:
    """relu(x) + factor * relu(-x), the sum of two populations."""
    x.check_unmasked()
    call = replace(call, shape=x.shape)
    above, below = (Value(call.builder.join(scale(x, sign)), x.shape, activation="relu") for sign in (1.0, -1.0))
    return summed(call, [above, scale(below, factor)], np.zeros(1))
