"""Traits of calibration: features, scales, units and folding, answered in ``calibration.py`` of an operation's folder.

Calibration chooses the scales of a lowered network (the real value of a spike at k = 0, by feature) and folds them into
the weights, traces and thresholds of the operations that receive the spikes. The passes are in ``converters``; they
walk the nodes and call these traits. A feature is what may have a scale of its own: a channel, a column of a head,
never a token. A *broadcast shape* has as many axes as a sample, each at full length or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch

from processes.errors import DeployError
from processes.operation import Operation
from processes.phase_code import PhaseCode
from processes.traits import Trait

Shape = tuple[int, ...]

EQUAL = 1e-9
"""Relative difference below which scales are the same but for rounding."""


class Position(Protocol):
    """A node of a network that is being calibrated, or its input: its operands, and what its readers receive.

    Attributes:
        name: the node's name, for messages.
        op: the node's operation.
        operands: the positions of its operands, in order.
        shape: sample shape.
        code: code of the spikes that readers receive, which a route takes from its operand: a PhaseCode or a StepCode.
        spikes: most spikes of one neuron in a window.
        scale: real value of a spike at k = 0, broadcast shape.
        unit: real value of one unit of the node's potential, broadcast shape.
        compared: whether the node's potentials are compared with each other in a softmax.
    """

    @property
    def name(self) -> str: ...
    @property
    def op(self) -> Operation: ...
    @property
    def operands(self) -> Sequence[Position]: ...
    @property
    def shape(self) -> Shape: ...
    @property
    def code(self) -> Any: ...
    @property
    def spikes(self) -> int: ...
    @property
    def scale(self) -> np.ndarray: ...
    @property
    def unit(self) -> np.ndarray: ...
    @property
    def compared(self) -> bool: ...


@dataclass(frozen=True)
class Observation:
    """What calibration observes for an operation: an array per batch, of which the elementwise maximum is kept.

    Attributes:
        of: whether the array is taken from the operation's own output or from its first operand.
        measure: computes the array, float64, from a batch (N, *shape) of ideal values.
    """

    of: Literal["output", "operand"]
    measure: Callable[[torch.Tensor], np.ndarray]


@dataclass(frozen=True)
class Coding:
    """What folding needs to know of a node besides its operands.

    Attributes:
        code: base and window of the node's own spikes; those that stand for the network if it has no code of its own.
        peak: what calibration observed of the node, None if nothing.
        race: whether softmax finds winners by a falling threshold instead of graded spikes.
        sharpen: whether softmax is too sharp by the factor B, as published.
    """

    code: PhaseCode
    peak: np.ndarray | None
    race: bool = False
    sharpen: bool = False


Round = Literal["weights", "products", "followers", "seconds", "fields"]
"""Rounds in which scales are raised, never lowered, until operands can share them: for shared weights, for products,
for products whose second operand ("followers") or first operand ("seconds") has since been raised for another reader,
and last, from the output to the input, for the fields of max pooling."""
Wanted = Sequence["np.ndarray | None"]
"""For each operand the least scales that are asked for, broadcast shape, or None for any; empty if any will do."""

Accepts = Literal["any units", "equal units", "binary units", "any scales", "octave scales"]
"""Units of potentials that an operation accepts (any real numbers; one for all that are compared; powers of two), or
scales of spikes (any; powers of two that do not differ between tokens)."""

features: Trait[[list[np.ndarray], bool], np.ndarray] = Trait("calibration", "what its features are")
"""A number for each feature of the operation's output, in the broadcast shape of a sample, given those of its operands
and whether the first operand is the network's input."""

feature_axis: Trait[[], int] = Trait("calibration", "along which axis of a sample its features lie")
"""Axis of a sample along which features lie: 1 of channels, -1 of columns. A synapse's inputs and outputs share it."""

weights: Trait[[], Literal["shared", "own", "none"]] = Trait("calibration", "whether its neurons share weights")
"""shared: tokens or pixels share rows of weights, with a bias by row; own: a weight per neuron; none: no weights."""

accepts: Trait[[], Accepts] = Trait("calibration", "what units or scales it accepts")
"""Units of potentials, or scales of spikes, that an operation accepts from the node before it."""

observed: Trait[[Shape], Observation | None] = Trait("calibration", "what calibration observes of it")
"""What calibration observes of an operation, given the broadcast shape of its features; None if nothing."""

scaled: Trait[[np.ndarray, bool], Operation] = Trait("calibration", "which scale follows from what is observed")
"""The operation with the scale that observed values ask for; the last argument: whether readers need powers of two."""

rescaled: Trait[[np.ndarray], Operation] = Trait("calibration", "how its scale is changed")
"""The operation with the given scale, of the same broadcast shape; unchanged if its scale is fixed (softmax)."""

factors: Trait[[], Literal["any", "octaves", "none"]] = Trait("calibration", "by what its scale may be changed")
"""Factors by which its scale may change: any; powers of two, each with a table; or none, where the scale is fixed."""

coded: Trait[[int, tuple[int, ...] | None], Operation] = Trait("calibration", "how many spikes it may spend")
"""The operation with the given spikes per value and, for each scale, the last step of further spikes (None: any)."""

worth: Trait[[Position], np.ndarray] = Trait("calibration", "what its spikes are worth")
"""Real value of one of the operation's spikes at k = 0, broadcast shape."""

picks: Trait[[torch.Tensor], torch.Tensor] = Trait("calibration", "which values of its operand it passes on")
"""An operation that passes on spikes, applied to a number for each value of its operand, such as an index."""

unit: Trait[[Position], np.ndarray] = Trait("calibration", "what a unit of its potential is worth")
"""Real value of one unit of the operation's floating-point potential, broadcast shape."""

shared: Trait[[Round, Position, bool], Wanted] = Trait("calibration", "how the scales of its operands are shared")
"""Least scales that the operation asks of its operands in a round. The last argument: whether scales that meet in a
product may vary along the summed axis as long as their product does not."""

used: Trait[[np.ndarray], np.ndarray | None] = Trait("calibration", "what its weights gain from larger scales")
"""For each input, in a shape that broadcasts to the operand, the largest share that its weights have of a row's largest
weight, given the operand's scales, broadcast shape; None if the operand's scales are tied to others."""

folded: Trait[[Position, Coding], Operation] = Trait("calibration", "how scales fold into it")
"""The operation in units of its operands' spikes (thresholds, traces, weights), so that a spike at k stands for L_k."""

# reasons that several operations give for refusing a trait
NO_SPIKES = "it sends no spikes, and so has no code to choose"
KEEPS = "spikes are passed on in the code in which they come"
ASKED_BEHIND = "those that read it are asked"
NEW_SPIKES = "its spikes are its own, not those of an operand"
RATE_CODED = "rate-coded networks have thresholds from their own calibration (converters.rate)"

OF_CODES = (scaled, rescaled, factors, coded)
"""Traits that only neurons with a code of their own answer."""


def numbered(shape: Shape, axis: int) -> np.ndarray:
    """Features numbered 1 .. n along one axis of a sample shape, float64, broadcast shape."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.arange(1, shape[axis] + 1, dtype=np.float64).reshape(sizes)


def all_numbered(shape: Shape) -> np.ndarray:
    """Features numbered 1 .. n, one for each value of a sample, float64 (*shape)."""
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float64).reshape(shape)


def as_operand(op: Any, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Features of an operation that takes those of its first operand, value by value."""
    return sources[0]


def real_units(op: Any, at: Position) -> np.ndarray:
    """Ones, broadcast shape: a potential of 1 stands for the real value 1."""
    return np.ones((1,) * len(op.shape))


def own_scale(op: Any, at: Position) -> np.ndarray:
    """The scale of the operation itself, broadcast shape."""
    return op.scale


def unfolded(op: Any, at: Position, coding: Coding) -> Operation:
    """The operation unchanged, as nothing in it depends on scales."""
    return op


def as_it_is(op: Any, *_: Any) -> Operation:
    """The operation unchanged, as its scale and its number of spikes are fixed."""
    return op


def largest_by_feature(shape: Shape) -> Observation:
    """Observe the largest |output| of each feature, in ``shape``, the broadcast shape of the features."""
    axes = tuple(axis for axis, size in enumerate((1, *shape)) if size == 1)
    return Observation("output", lambda y: y.abs().amax(axes, keepdim=True)[0].double().cpu().numpy())


def with_spikes(op: Any, spikes: int, latest: tuple[int, ...] | None) -> Operation:
    """Set the fields ``spikes`` and ``latest`` of an operation; ``latest`` has one step for each scale."""
    steps = None if latest is None else np.array(latest, np.int16).reshape(op.scale.shape)
    return replace(op, spikes=spikes, latest=steps)


def unit_by_head(at: Position) -> np.ndarray:
    """Real value of one unit of a softmax's logits, broadcast shape, which may differ between heads.

    Raises:
        DeployError: the unit differs within a head.
    """
    found = at.operands[0].unit
    if max(found.shape[-2:], default=1) > 1:
        raise DeployError(f"'{at.name}': logits that are compared with each other have different units")
    return found
