"""The network under construction, and the values that flow through a model while it is lowered.

A value is lazy: it holds a node and what is still *pending* on it (a route, an activation, a gain and an offset). The
operation that reads a value decides what it must become: a linear layer needs spikes, so the node fires with the
activation as its threshold schedule; a residual or a LayerNorm needs potentials; a gain or an offset folds into the
next weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch

from converters.front_end import Part
from processes.deferred import multiplied
from processes.dynamic_threshold import DynamicThreshold
from processes.lowering import multiplies
from processes.network import LoweredNetwork, Network
from processes.phase_neuron import PhaseNeuron
from processes.residual import Centre, Residual
from processes.routing import Route, Step, route_shape
from processes.si_neuron import SiNeuron
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

ONE = np.ones(1)


class Unsupported(Exception):
    """An operation, or a use of one, that cannot be lowered; the text says why."""


@dataclass(frozen=True)
class Mask:
    """An attention mask: which keys each row may attend to.

    Attributes:
        keys: the part of the network's input that is 1 for keys that take part and 0 for others; None if all take part.
        allowed: the constant pattern of keys that a row may attend to, bool (..., keys).
        bias: what is added to logits, (..., keys); None for zeros.
    """

    keys: Part | None
    allowed: torch.Tensor
    bias: torch.Tensor | None = None


@dataclass(frozen=True)
class Value:
    """A value of the model: gain * route(activation(node)) + offset, where a route's padding is silent: 0.

    Attributes:
        node: name of the network's node.
        shape: sample shape, after the route.
        steps: the route.
        activation: name of the activation.
        gain, offset: constants that broadcast with ``shape``; None for 1 and 0.
        normaliser: the node of spikes whose row sum still divides the value (attention's V before the division by S).
        mask: which of the values, logits, will race in a softmax; None for all.
    """

    node: str
    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    activation: str = "identity"
    gain: torch.Tensor | None = None
    offset: torch.Tensor | None = None
    normaliser: str | None = None
    mask: Mask | None = None

    @property
    def plain(self) -> bool:
        """Whether nothing is pending but a route."""
        pending = (self.gain, self.offset, self.normaliser, self.mask)
        return self.activation == "identity" and all(p is None for p in pending)

    @property
    def padded(self) -> bool:
        """Whether a route puts silence between the values, of which not every function is 0."""
        return any(kind == "pad" for kind, _ in self.steps)

    def routed(self, *steps: Step) -> Value:
        """The value after more routing; a pending gain, offset and mask are routed along."""

        def follow(t: torch.Tensor | None) -> torch.Tensor | None:
            if t is None or t.numel() == 1:
                return t
            from processes.routing import apply

            return apply(t.expand(self.shape), steps, 0)

        shape = route_shape(self.shape, steps)
        merged = self.steps
        for step in steps:
            merged = _append(merged, step)
        mask = self.mask and replace(self.mask, allowed=follow(self.mask.allowed), bias=follow(self.mask.bias))
        return replace(self, shape=shape, steps=merged, gain=follow(self.gain), offset=follow(self.offset), mask=mask)

    def check_unmasked(self) -> None:
        """Raise Unsupported if a mask is pending: masked logits may reach a softmax only."""
        if self.mask is not None:
            raise Unsupported("values left out by a mask, outside a softmax")


def _append(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """A chain of routing steps with one more; consecutive permutations or reshapes become one, or none."""
    kind, argument = step
    if steps and kind == steps[-1][0] == "permute":
        argument = [steps[-1][1][axis] for axis in argument]
        rest = steps[:-1]
        return rest if argument == list(range(len(argument))) else (*rest, (kind, argument))
    if steps and kind == steps[-1][0] == "reshape":
        return (*steps[:-1], step)
    return (*steps, step)


@dataclass(frozen=True)
class Choice:
    """An index that the input chooses, one-hot: ``places`` (1, places) is 1 at the chosen place and 0 elsewhere."""

    places: Value


@dataclass(frozen=True)
class Surrounded:
    """A value that the model pads with minus infinity, padded with its edges instead: only a maximum may read it.

    Attributes:
        value: with its edges repeated.
        widest: the widest padding of a side, in pixels; a window that is larger reads at least one pixel of the value.
    """

    value: Value
    widest: int


class Selection:
    """Base of results that depend on places which the input chooses; it handles the operations on itself."""

    def follow(self, call: Any) -> Any:
        """The result of an operation that has this as an operand.

        Raises:
            Unsupported: the operation needs to know the places.
        """
        raise Unsupported("places that depend on the input")


class Divisor:
    """A number per row, such as a norm, that need not be formed: dividends fire against a threshold that follows it.

    Operations on a divisor give another one, or raise ``Unsupported``; operations that take none get its :meth:`formed`
    value.
    """

    def formed(self, call: Any) -> Value:
        """The numbers as a value of the network."""
        raise Unsupported("the number that divides is asked for itself")

    def reshaped(self, call: Any, shape: tuple[int, ...]) -> Any:
        """The divisor, or its numbers as a value, in another shape."""
        raise Unsupported("a norm in another shape")

    def divide(self, call: Any, x: Value) -> Value:
        """x / self."""
        raise Unsupported("a division by this")

    def multiply(self, call: Any, x: Any) -> Value:
        """x * self."""
        raise Unsupported("a product with the mean of squares")

    def plus(self, call: Any, number: Any) -> Divisor | None:
        """self + number; None if that is no divisor."""
        return None

    def times(self, number: Any) -> Divisor | None:
        """self * number for a constant; None if that is no divisor."""
        return None

    def power(self, exponent: float) -> Divisor | None:
        """self ** exponent; None if that is no divisor."""
        return None

    def clamped(self, low: Any, high: Any) -> Divisor | None:
        """self between ``low`` and ``high``, either of which may be None; None if that is no divisor."""
        return None


@dataclass(frozen=True)
class Neurons:
    """Which neurons compute softmax and activations, where there is a choice.

    Attributes:
        recode_logits: whether a one-spike neuron codes the logits before they race, as published.
        fitted: names of the activations that fitted neurons compute instead of threshold schedules.
        si_softmax: softmax by SI-exp, for "extended" input ranges or as "published", and SI-norm; "" for WOSS and a
            pending division.
    """

    recode_logits: bool = False
    fitted: tuple[str, ...] = ()
    si_softmax: Literal["", "extended", "published"] = ""


PLAIN = Neurons()


@dataclass
class Builder:
    """Adds operations in real units, without codes: calibration gives them scales afterwards.

    Attributes:
        network: the network that is built.
        fanout: residual streams receive every branch's spikes instead of one graded spike per block.
        neurons: which neurons compute softmax and activations.
        memo: names of routes, neurons and centres, by what they compute, so that each is made only once.
        means: by node that is a mean, of which value it is the mean, and along which axes.
        log_sums: by node that is the logarithm of a sum of exponentials, of which value, the logarithm with the value's axes,
            and the value's softmax.
        log_softmaxes: by node that is the logarithm of a softmax, the softmax.
        roots: nodes that are roots of sums of squares, and so never below zero.
    """

    network: LoweredNetwork
    fanout: bool = False
    neurons: Neurons = PLAIN
    memo: dict[tuple, str] = field(default_factory=dict)
    means: dict[str, tuple[Value, tuple[int, ...]]] = field(default_factory=dict)
    log_sums: dict[str, tuple[Value, Value, Value]] = field(default_factory=dict)
    log_softmaxes: dict[str, Value] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)

    def part(self, part: Part) -> Value:
        """The value of a part of the network's input."""
        if part.alone:
            return Value(self.route(Network.INPUT, part.steps, part.shape), part.shape)
        return Value(Network.INPUT, self.network.input_shape).routed(*part.steps)

    def keys(self, mask: Mask, axes: int) -> list[str]:
        """The node that says which keys take part, for logits with ``axes`` axes, as a list; empty if all keys do."""
        if mask.keys is None:
            return []
        shape = (*[1] * (axes - 1), mask.keys.shape[-1])
        return [self.route(Network.INPUT, (*mask.keys.steps[:-1], ("reshape", list(shape))), shape)]

    def emits(self, node: str) -> str:
        """What a node sends: "spikes", "currents" or "graded" potentials."""
        return "graded" if node == Network.INPUT else self.network[node].emits

    def route(self, node: str, steps: tuple[Step, ...], shape: tuple[int, ...]) -> str:
        """The node of ``node`` routed by ``steps`` to ``shape``; made once, and ``node`` itself if nothing moves."""
        source = self.network.shape(node)
        if not steps or (len(steps) == 1 and steps[0][0] == "reshape" and tuple(source) == tuple(shape)):
            return node
        text = json.dumps(steps)
        key = ("route", node, text)
        if key not in self.memo:
            op = Route(shape=shape, steps=text, source_shape=tuple(source), carries=self.emits(node))
            self.memo[key] = self.network.add(f"{node}.route", op, node)
        return self.memo[key]

    def fire(self, value: Value) -> str:
        """The node whose spikes code activation(node), before the value's route, gain and offset; made once."""
        value.check_unmasked()
        if self.emits(value.node) == "spikes":
            if value.activation == "identity" and not value.normaliser:
                return value.node
            spikes = Value(value.node, self.network.shape(value.node))
            return self.fire(replace(value, node=self.join(spikes)))
        key = ("fire", value.node, value.activation, value.normaliser)
        if key not in self.memo:
            source = value.node
            shape = self.network.input_shape if source == Network.INPUT else self.network[source].shape
            if value.normaliser:
                op = DynamicThreshold.uncoded(shape)
                self.memo[key] = self.network.add(f"{source}.neuron", op, source, value.normaliser)
            elif value.activation in self.neurons.fitted:
                op = SiNeuron.uncoded(shape, value.activation)
                self.memo[key] = self.network.add(f"{source}.{value.activation}", op, source)
            else:
                label = "neuron" if value.activation == "identity" else value.activation.partition(":")[0]
                self.memo[key] = self.network.add(
                    f"{source}.{label}", PhaseNeuron.uncoded(shape, value.activation), source
                )
        return self.memo[key]

    def spikes(self, value: Value) -> tuple[str, torch.Tensor | None, torch.Tensor | None]:
        """(node of spikes in the value's shape, gain, offset still to be folded into the consumer)."""
        return self.route(self.fire(value), value.steps, value.shape), value.gain, value.offset

    def along(self, value: Value, axis: int, name: str) -> Value:
        """The value, coded anew unless gain and offset vary along ``axis`` alone, where shared weights take them."""
        for pending in (value.gain, value.offset):
            if pending is not None:
                parameter = as_parameter(pending, value.shape)
                if parameter.size != parameter.shape[axis]:
                    return Value(self.graded(value, name), value.shape)
        return value

    def join(self, value: Value) -> str:
        """The node of potentials (currents or graded) in the value's shape, with all that was pending applied."""
        node, gain, offset = self._potential(value)
        if gain is None and offset is None:
            return node
        return self.sum([value], np.zeros(1), value.shape, f"{value.node}.weighted")

    def _potential(self, value: Value) -> tuple[str, torch.Tensor | None, torch.Tensor | None]:
        """(node of potentials in the value's shape, gain, offset still to be applied).

        A node that sends potentials stays as it is, except products of activations: their potentials are in units of
            their
        operands' scales, so that they are coded first. With ``fanout``, a gain is always a synapse's.
        """
        value.check_unmasked()
        held = self.emits(value.node) != "spikes" and value.activation == "identity" and not value.normaliser
        if held and not self.is_product(value.node):
            pending = value.gain is not None or value.offset is not None
            scaled = self._scaled_rows(value) if pending else value.node
            if scaled is not None:
                return self.route(scaled, value.steps, value.shape), None, None
            if not self.fanout:
                return self.route(value.node, value.steps, value.shape), value.gain, value.offset
        node, gain, offset = self.spikes(value)
        weight = np.ones((1,) * len(value.shape)) if gain is None else as_parameter(gain, value.shape)
        bias = np.zeros((1,) * len(value.shape)) if offset is None else as_parameter(offset, value.shape)
        op = ScaleSynapse(shape=value.shape, weight=weight, bias=bias, trace=ONE)
        return self.network.add(f"{value.node}.join", op, node), None, None

    def centred(self, value: Value, name: str) -> Value:
        """The value minus its mean along the last axis (LayerNorm's centring), made once for each value."""
        pending = (None if p is None else p.double().numpy().tobytes() for p in (value.gain, value.offset))
        key = ("centre", value.node, str(value.steps), value.activation, value.normaliser, *pending)
        if key not in self.memo:
            source = self.graded(value, name)
            self.memo[key] = self.network.add(f"{name}.centre", Centre(shape=value.shape), source)
        return Value(self.memo[key], value.shape)

    def remember_mean(self, mean: Value, of: Value, axes: tuple[int, ...]) -> None:
        """Note that ``mean`` is the mean of ``of`` along ``axes``, which stay with length 1."""
        self.means[mean.node] = (of, axes)

    def mean_along(self, mean: Value, value: Value) -> tuple[int, ...] | None:
        """Axes along which ``mean`` is known to be the mean of ``value``; None if it is not known to be one."""
        of, axes = self.means.get(mean.node, (None, None))
        return axes if mean.plain and not mean.steps and of == value else None

    def is_product(self, node: str) -> bool:
        """Whether ``node``, or the node behind its routes, is a product of activations."""
        origin = self.network.origin(node)
        return origin != Network.INPUT and multiplies(self.network[origin])

    def graded(self, value: Value, name: str) -> str:
        """The node of the value's graded potentials; if they are currents, a new population integrates them."""
        node = self.join(value)
        if self.emits(node) == "graded":
            return node
        return self.residual([node], np.zeros(1), value.shape, f"{name}.potential")

    def residual(
        self,
        branches: list[str],
        bias: np.ndarray,
        shape: tuple[int, ...],
        name: str,
        weights: np.ndarray | None = None,
    ) -> str:
        """Add a population that integrates ``branches`` and a bias; ``weights``: factors on the branches.

        With ``fanout``, the branches of a branch that is a residual population take its place.
        """
        bias = bias.reshape((1,) * (len(shape) - bias.ndim) + bias.shape)
        if self.fanout:
            flat: list[str] = []
            for branch in branches:
                op = None if branch == Network.INPUT else self.network[branch]
                if isinstance(op, Residual):
                    flat += self.network.nodes[branch].inputs
                    bias = bias + op.bias
                else:
                    flat.append(branch)
            branches = flat
        return self.network.add(name, Residual(shape=shape, bias=bias, weights=weights), *branches)

    def sum(self, values: list[Value], bias: np.ndarray, shape: tuple[int, ...], name: str) -> str:
        """Add a population that sums values and a bias; gains that no synapse before it can take become its weights."""
        found = [self._potential(value) for value in values]
        one = np.ones((1,) * len(shape))
        weights = None
        if any(gain is not None for _, gain, _ in found):
            gains = [one if gain is None else as_parameter(gain, shape) for _, gain, _ in found]
            weights = np.stack([np.broadcast_to(g, np.broadcast_shapes(*(g.shape for g in gains))) for g in gains])
        bias = bias.reshape((1,) * (len(shape) - bias.ndim) + bias.shape)
        for _, _, offset in found:
            bias = bias if offset is None else bias + as_parameter(offset, shape)
        return self.residual([node for node, _, _ in found], bias, shape, name, weights)

    def _scaled_rows(self, value: Value) -> str | None:
        """A copy of the value's synapse with gain and offset folded into rows of weights (LayerScale, 1/sqrt(d), ...).

        None if the value is no unrouted synapse, or they vary within a row.
        """
        op = None if value.node == Network.INPUT else self.network[value.node]
        if value.steps or not isinstance(op, (DenseSynapse, ConvSynapse)):
            return None
        rows = len(op.bias)
        channel = -1 if isinstance(op, DenseSynapse) else 1

        def per_row(t: torch.Tensor | None, default: float) -> np.ndarray | None:
            if t is None:
                return np.full(rows, default)
            p = as_parameter(t, value.shape)
            return np.broadcast_to(p.reshape(-1), rows) if p.size in (1, p.shape[channel]) else None

        gain, offset = per_row(value.gain, 1.0), per_row(value.offset, 0.0)
        if gain is None or offset is None:
            return None
        weight = multiplied(op.weight, gain.reshape(-1, *[1] * (op.weight.ndim - 1)), np.float64)
        scaled = replace(op, weight=weight, bias=op.bias * gain + offset)
        return self.network.add(f"{value.node}.scaled", scaled, *self.network.nodes[value.node].inputs)


def narrow(weight: np.ndarray) -> np.ndarray:
    """Weights as float32, in half the memory, if that changes none of them: those into which nothing was folded."""
    single = weight.astype(np.float32, copy=False)
    return single if (single == weight).all() else weight


def as_parameter(t: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """``t`` as float64 in the smallest shape that broadcasts with ``shape``: axes along which it repeats are 1 long."""
    t = t.reshape(()) if t.numel() == 1 else t  # a number has had more axes, where its value had
    full = t.detach().double().expand(shape).numpy() if t.ndim <= len(shape) else t.double().reshape(shape).numpy()
    for axis in range(full.ndim):
        first = full.take([0], axis)
        if full.shape[axis] > 1 and (full == first).all():
            full = first
    return np.ascontiguousarray(full)


def last_axis(t: torch.Tensor, shape: tuple[int, ...], what: str) -> np.ndarray:
    """A pending gain or offset (``what``) as a vector over the last axis of ``shape``.

    Raises:
        Unsupported: it varies along another axis, where shared weights cannot absorb it.
    """
    parameter = as_parameter(t, shape)
    if parameter.size != parameter.shape[-1]:
        raise Unsupported(f"a {what} that varies along more than the features precedes shared weights")
    return np.broadcast_to(parameter.reshape(-1), shape[-1])
