"""Divisors, one number per row: roots of sums of squares along any axes, and values that are never below zero.

Neither root nor quotient is formed: the dividend fires against a threshold that follows its row's divisor. Where the
number itself is needed, the root of a sum is g = sum_i y_i (y_i / g), a product of a value and its own quotient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from converters.lowering.arithmetic import gate, is_number, scale, shift
from converters.lowering.builder import ONE, Builder, Divisor, Unsupported, Value
from converters.lowering.handlers import Call
from processes.dynamic_threshold import DynamicThreshold
from processes.lowering import Signs, never_negative
from processes.network import Network
from processes.phase_neuron import PhaseNeuron
from processes.phase_neuron.lowering import never_below_zero
from processes.routing import apply
from processes.synapse import ScaleSynapse
from processes.trace_product import SquareSum


def rows(x: Value, axes: tuple[int, ...]) -> Value:
    """``x`` with ``axes`` merged into its last axis, behind the others; there is at least one axis before it."""
    rest = [a for a in range(len(x.shape)) if a not in axes]
    order = [*rest, *axes]
    if order != sorted(order):
        x = x.routed(("permute", order))
    if len(axes) == 1 and rest:
        return x
    lead = x.shape[: len(rest)] or (1,)
    return x.routed(("reshape", [*lead, math.prod(x.shape[len(rest) :])]))


def unrows(y: Value, shape: tuple[int, ...], axes: tuple[int, ...]) -> Value:
    """Undo :func:`rows`: ``y`` in the original ``shape``, of which ``axes`` were merged."""
    rest = [a for a in range(len(shape)) if a not in axes]
    order = [*rest, *axes]
    if len(axes) != 1 or not rest:
        y = y.routed(("reshape", [shape[a] for a in order]))
    return y if order == sorted(order) else y.routed(("permute", [order.index(a) for a in range(len(shape))]))


def centred(builder: Builder, x: Value, axes: tuple[int, ...], name: str) -> Value:
    """``x`` minus its mean along ``axes``."""
    return unrows(builder.centred(rows(x, axes), name), x.shape, axes)


@dataclass(frozen=True)
class Norm(Divisor):
    """A power of the sum or mean of a value's squares: (sum y^2 / features + eps)^exponent.

    Attributes:
        of: the value y.
        axes: along which its squares are summed, in rising order.
        features: 1 for the sum, the number of squares for the mean, one less for a variance of samples.
        eps: what is added to the sum or mean before the root.
        exponent: 1 for the sum or mean itself, 0.5 for its root, -0.5 for the root's inverse.
        kept: whether the model has kept the axes, with length 1.
    """

    of: Value
    axes: tuple[int, ...]
    features: int = 1
    eps: float = 0.0
    exponent: float = 0.5
    kept: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape of the numbers."""
        return self._shape(self.kept)

    def _shape(self, kept: bool) -> tuple[int, ...]:
        own = enumerate(self.of.shape)
        return tuple(1 if a in self.axes else n for a, n in own if kept or a not in self.axes)

    def divide(self, call: Call, x: Value) -> Value:
        """x divided by the number: a normalisation by a root, or a quotient by the sum or mean itself."""
        return self._normalise(call, x) if self.exponent == 0.5 else quotient(call, x, self.formed(call))

    def multiply(self, call: Call, x: Any) -> Value:
        """x times the number: a normalisation by the root's inverse, or a product with the formed number."""
        if self.exponent == -0.5 and isinstance(x, Value):
            return self._normalise(call, x)
        number = self.formed(call)
        return gate(call, number, x) if isinstance(x, Value) else scale(number, x)

    def plus(self, call: Call, number: Any) -> Any:
        """The sum or mean plus a number, as another norm; None for a root plus a number, which is a value."""
        if self.exponent != 1 or not is_number(number):
            return None
        return replace(self, eps=self.eps + float(number))

    def times(self, number: Any) -> Norm | None:
        """The norm times one positive constant, as another norm, if ``features`` stays whole; None if it does not."""
        values = torch.as_tensor(number).detach().double()
        if not values.numel() or not bool((values == values.flatten()[0]).all()) or values.flatten()[0] <= 0:
            return None
        factor = float(values.flatten()[0]) ** (1 / self.exponent)
        features = self.features / factor
        if round(features) < 1 or abs(features / round(features) - 1) > WHOLE or values.numel() > math.prod(self.shape):
            return None
        return replace(self, features=round(features), eps=self.eps * factor)

    def power(self, exponent: float) -> Norm | None:
        """The root of a sum or mean, the root's inverse, or a root squared; None for other powers."""
        own = self.exponent * exponent
        return replace(self, exponent=own) if own in (1.0, 0.5, -0.5) else None

    def clamped(self, low: Any, high: Any) -> Norm | None:
        """The norm with a small floor, which becomes the least ``eps``: that differs only next to zero; else None."""
        floor = float(low) ** (1 / self.exponent) if is_number(low) else math.inf
        return replace(self, eps=max(self.eps, floor)) if high is None and floor <= FLOOR else None

    def reshaped(self, call: Call, shape: tuple[int, ...]) -> Any:
        """The norm itself where its axes are put back with length 1; in any other shape, its numbers as a value."""
        if shape == self._shape(True):
            return replace(self, kept=True)
        return self.formed(call).routed(("reshape", list(shape)))

    def formed(self, call: Call) -> Value:
        """The numbers themselves, as a value of ``shape``."""
        if self.exponent < 0:
            raise Unsupported("the inverse of a root that divides nothing")
        y = rows(self.of, self.axes)
        inner = replace(call, shape=y.shape)
        if self.exponent == 1:
            summed = total(inner, gate(inner, y, y), 1 / self.features)
            value = summed if not self.eps else shift(replace(call, shape=summed.shape), summed, self.eps, 1.0)
        else:
            if self.eps > SILENT:  # what is added to the sum is the square of one more value, which is constant
                y = y.routed(("pad", [0, 1]))
                last = torch.zeros(y.shape, dtype=torch.float64)
                last[..., -1] = math.sqrt(self.eps * self.features)
                y = replace(y, offset=last if y.offset is None else y.offset + last)
            inner = replace(call, shape=y.shape)
            source = call.builder.graded(y, call.name)
            y = Value(source, y.shape)
            divided = divide(inner, source, source, y.shape, SILENT, self.features)
            value = total(inner, gate(inner, y, divided), 1 / self.features)
            call.builder.roots.add(value.node)
        return value.routed(("reshape", list(self.shape)))

    def _normalise(self, call: Call, x: Value) -> Value:
        if not self.kept and x.shape != self.of.shape:
            raise Unsupported("a division by a norm whose axes are gone")
        shape = (1,) * (len(self.of.shape) - len(x.shape)) + x.shape
        if any(n != own for a, (n, own) in enumerate(zip(shape, self.of.shape, strict=True)) if a not in self.axes):
            raise Unsupported(f"a division of {x.shape} by norms of {self.of.shape}")
        dividend = rows(x if shape == x.shape else x.routed(("reshape", list(shape))), self.axes)
        source = call.builder.graded(dividend, call.name)
        of = source if x == self.of else call.builder.graded(rows(self.of, self.axes), call.name)
        y = divide(call, source, of, dividend.shape, self.eps, self.features)
        return unrows(y, shape, self.axes)


@dataclass(frozen=True)
class Inverse(Divisor):
    """A constant over a value that is never negative, factor / y, which need not be formed where something is times it.

    Attributes:
        of: the value y.
        factor: the constant, which broadcasts with y.
    """

    of: Value
    factor: torch.Tensor

    @classmethod
    def of_value(cls, builder: Builder, y: Any, factor: torch.Tensor | float = 1.0) -> Inverse:
        """factor / y.

        Raises:
            Unsupported: y may be negative.
        """
        if not isinstance(y, Value) or not is_never_negative(builder, y):
            raise Unsupported("a division by an activation that may be negative")
        return cls(y, torch.as_tensor(factor).double())

    @property
    def shape(self) -> tuple[int, ...]:
        """Sample shape of the numbers."""
        return tuple(torch.broadcast_shapes(self.of.shape, self.factor.shape))

    def multiply(self, call: Call, x: Value) -> Value:
        """x times the number: a quotient with a gain."""
        return scale(quotient(call, x, self.of), self.factor)

    def times(self, number: Any) -> Inverse:
        """The number times a constant."""
        return replace(self, factor=self.factor * torch.as_tensor(number).detach().double())

    def reshaped(self, call: Call, shape: tuple[int, ...]) -> Any:
        """The numbers in another shape: an inverse again where the factor is one number, else a value."""
        if self.factor.numel() == 1:
            return replace(self, of=self.of.routed(("reshape", list(shape))), factor=self.factor.reshape(()))
        return self.formed(call).routed(("reshape", list(shape)))

    def formed(self, call: Call) -> Value:
        """The numbers as a value of ``shape``: potentials that are constant, divided by y."""
        inner = replace(call, shape=self.of.shape)
        one = Value(call.builder.join(shift(inner, scale(self.of, 0.0), 1.0, 1.0)), self.of.shape)
        return scale(quotient(inner, one, self.of), self.factor)


WHOLE = 1e-6
"""Largest relative distance of ``features`` from a whole number: constants of a model are in single precision."""
FLOOR = 1e-5
"""Largest lower bound of a sum or mean of squares that is added to it instead."""
SILENT = 1e-10
"""Added to a sum of squares so that a row of zeros is not divided by zero."""


def quotient(call: Call, x: Value, y: Value) -> Value:
    """x / y for a y that is never below zero, by the root of y's square, which is y itself.

    Raises:
        Unsupported: y may be negative.
    """
    if not is_never_negative(call.builder, y):
        raise Unsupported("a division by an activation that may be negative")
    lead = (1,) * (len(call.shape) - len(y.shape))
    divisor = y.routed(("reshape", [*lead, *y.shape])) if lead else y
    lead = (1,) * (len(call.shape) - len(x.shape))
    x = x.routed(("reshape", [*lead, *x.shape])) if lead else x
    if x.shape != call.shape:
        x = x.routed(("expand", list(call.shape)))
    axes = tuple(a for a, (n, wide) in enumerate(zip(divisor.shape, call.shape, strict=True)) if n == 1 and wide > 1)
    dividend, own = rows(x, axes), rows(divisor, axes)
    source, of = (call.builder.graded(v, call.name) for v in (dividend, own))
    return unrows(divide(call, source, of, dividend.shape, 0.0, 1), call.shape, axes)


def is_never_negative(builder: Builder, x: Value) -> bool:
    """Whether the operations before a value prove that it is never negative, whatever the input."""
    function = x.activation
    signs = _signs(builder, x.node)
    if function != "identity":
        signs = torch.full_like(signs, never_below_zero(function))
    numbers = (t is None or bool((t >= 0).all()) for t in (x.gain, x.offset))
    return all(numbers) and bool(apply(signs.double(), x.steps, 0).all() if not x.padded else signs.all())


def _signs(builder: Builder, name: str) -> torch.Tensor:
    """Which values of a node are never negative, bool in its sample shape, as far as the operations before it prove."""
    net, needed = builder.network, {name}
    for node in reversed(net.nodes):
        if node in needed and node not in builder.roots:
            needed.update(net.nodes[node].inputs)
    known = {Network.INPUT: torch.zeros(net.input_shape, dtype=torch.bool)}
    for each, node in net:
        if each in builder.roots:
            known[each] = torch.ones(node.op.shape, dtype=torch.bool)
        elif each in needed:
            known[each] = never_negative(node.op, Signs(node.inputs, known.__getitem__))
    return known[name]


def total(call: Call, x: Value, factor: float) -> Value:
    """The sum along the last axis, which stays with length 1, times ``factor``."""
    axis = len(x.shape) - 1
    node, gain, offset = call.builder.spikes(x)
    if gain is not None or offset is not None:
        raise Unsupported("squares of values with a gain or an offset")
    shape = (*x.shape[:-1], 1)
    ones = np.ones((1,) * len(shape))
    op = ScaleSynapse(shape=shape, weight=factor * ones, bias=0 * ones, trace=ONE, pool=(axis,))
    return Value(call.builder.network.add(f"{call.name}.total", op, node), shape)


def divide(call: Call, source: str, of: str, shape: tuple[int, ...], eps: float, features: int) -> Value:
    """source / sqrt(sum of^2 / features + eps), with the sum along the last axis, by a dynamic-threshold neuron.

    Args:
        call: the operation.
        source: node of graded potentials of ``shape``.
        of: node of graded potentials with the same rows; neurons code them before they are squared.
        shape: of the result.
        eps: what is added to the mean.
        features: what the sum is divided by.
    """
    net = call.builder.network
    coded = net.add(f"{call.name}.code", PhaseNeuron.uncoded(net.shape(of)), of)
    one = np.ones((1,) * len(shape))
    squared = net.add(f"{call.name}.squares", SquareSum(shape=(*shape[:-1], 1), trace=ONE, weight=one), coded)
    norm = DynamicThreshold.uncoded(shape, eps, features)
    return Value(net.add(call.name, norm, source, squared), shape)
