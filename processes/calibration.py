"""How an operation is calibrated: features, scales, units and folding, as each says in ``calibration.py`` of its folder.

Calibration gives a network of real numbers its scales (what a spike at k = 0 stands for, by feature) and folds them into
the weights, traces and thresholds of what hears the spikes. The passes are in ``converters``; they walk the nodes and ask
what is declared here. A feature is what may have a scale of its own: a channel, a column of a head, never a token.
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
    """An operation in a network that is being calibrated: what it hears, and what others hear from it.

    Attributes:
        name: the node's name, for messages.
        op: its operation.
        operands: the positions that it hears, in order.
        shape: sample shape.
        code: code of the spikes that come from here, from behind any routes: a PhaseCode or a StepCode.
        spikes: most spikes of one of these neurons in a window.
        scale: real value of a spike at k = 0 that comes from here, broadcast shape.
        unit: real value of one unit of potential that comes from here, broadcast shape.
        compared: whether these potentials are compared with each other in a softmax.
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
    """What calibration observes for an operation: the largest over all samples of an array.

    Attributes:
        of: whether it is taken from the operation's own output or from its first operand.
        measure: the array, float64, of a batch (N, *shape) of these ideal values.
    """

    of: Literal["output", "operand"]
    measure: Callable[[torch.Tensor], np.ndarray]


@dataclass(frozen=True)
class Coding:
    """How the neurons of one node code, and what folding needs beside its operands.

    Attributes:
        code: base and window of its own spikes; of what does not fire, those that stand for the network.
        peak: what calibration observed of it, None if nothing.
        race: softmax finds winners by a falling threshold instead of graded spikes.
        sharpen: softmax is too sharp by the factor B, as published.
    """

    code: PhaseCode
    peak: np.ndarray | None
    race: bool = False
    sharpen: bool = False


Round = Literal["weights", "products", "followers", "seconds", "fields"]
"""Scales are only ever raised: for what shares weights, for products, for products whose second operand others have
raised since ("followers"), or whose first operand ("seconds"), and last, from the output to the input, for max pooling."""
Wanted = Sequence["np.ndarray | None"]
"""By operand, the scales that are wanted at least, broadcast shape; None for any. Empty if all operands will do."""

Accepts = Literal["any units", "equal units", "binary units", "any scales", "octave scales"]
"""Of potentials: any real number as unit; one unit for all that is compared; powers of two. Of spikes: any scale; scales that
are powers of two and do not differ between tokens."""

features: Trait[[list[np.ndarray], bool], np.ndarray] = Trait("calibration", "what its features are")
"""A number for each feature of its output in the broadcast shape of a sample, given those of its operands, and whether the
first one is the network's input."""

feature_axis: Trait[[], int] = Trait("calibration", "along which axis of a sample its features lie")
"""1 of channels, -1 of columns; a synapse's inputs lie along the same axis as its outputs."""

weights: Trait[[], Literal["shared", "own", "none"]] = Trait("calibration", "whether its neurons share weights")
"""Whether tokens or pixels share rows of weights, with a bias by row; each neuron has a weight of its own; there are none."""

accepts: Trait[[], Accepts] = Trait("calibration", "what units or scales it accepts")
"""What an operation takes from the node before it without a change of its own."""

observed: Trait[[Shape], Observation | None] = Trait("calibration", "what calibration observes of it")
"""Given the broadcast shape of its features; None if there is nothing to observe."""

scaled: Trait[[np.ndarray, bool], Operation] = Trait("calibration", "which scale follows from what is observed")
"""The operation with the scale that observed values ask for, and whether readers want octave scales."""

rescaled: Trait[[np.ndarray], Operation] = Trait("calibration", "how its scale is changed")
"""With another scale, of the same broadcast shape; the operation itself if its scale is its own, as a softmax's is."""

factors: Trait[[], Literal["any", "octaves", "none"]] = Trait("calibration", "by what its scale may be changed")
"""Any factor; powers of two, as it has a table for each; or none, as its scale is its own."""

coded: Trait[[int, tuple[int, ...] | None], Operation] = Trait("calibration", "how many spikes it may spend")
"""With so many spikes per value and, by scale, last steps at which a neuron that has fired does so again (None: any)."""

worth: Trait[[Position], np.ndarray] = Trait("calibration", "what its spikes are worth")
"""Real value of one of its spikes at k = 0, broadcast shape."""

picks: Trait[[torch.Tensor], torch.Tensor] = Trait("calibration", "which values of its operand it passes on")
"""What passes on its operand's spikes, applied to a number of each of the operand's values."""

unit: Trait[[Position], np.ndarray] = Trait("calibration", "what a unit of its potential is worth")
"""Real value of one unit of its potential in floating point, broadcast shape."""

shared: Trait[[Round, Position, bool], Wanted] = Trait("calibration", "how the scales of its operands are shared")
"""Scales that its operands need in a round. The last argument: whether scales that meet in a product may vary along the axis
that is summed as long as their product does not."""

used: Trait[[np.ndarray], np.ndarray | None] = Trait("calibration", "what its weights gain from larger scales")
"""By input, in a shape that broadcasts to the operand, the largest share that its weights have of a row's largest weight,
given the operand's scales, flat; None if the operand's scales are tied to others."""

folded: Trait[[Position, Coding], Operation] = Trait("calibration", "how scales fold into it")
"""With thresholds, traces and weights in units of its operands' spikes, so that a spike at step k stands for L_k alone."""

NO_SPIKES = "it sends no spikes, and so has no code to choose"
KEEPS = "spikes are passed on in the code in which they come"
ASKED_BEHIND = "those that read it are asked"
NEW_SPIKES = "its spikes are its own, not those of an operand"
RATE_CODED = "rate-coded networks have thresholds from their own calibration (converters.rate)"

OF_CODES = (scaled, rescaled, factors, coded)
"""What only neurons with a code of their own can say."""


def numbered(shape: Shape, axis: int) -> np.ndarray:
    """Features 1 .. n along one axis of a sample shape, broadcast shape."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.arange(1, shape[axis] + 1, dtype=np.float64).reshape(sizes)


def all_numbered(shape: Shape) -> np.ndarray:
    """A feature for each value of a shape."""
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float64).reshape(shape)


def as_operand(op: Any, sources: list[np.ndarray], of_input: bool) -> np.ndarray:
    """Features of the first operand, value by value."""
    return sources[0]


def real_units(op: Any, at: Position) -> np.ndarray:
    """A potential of 1 is 1."""
    return np.ones((1,) * len(op.shape))


def own_scale(op: Any, at: Position) -> np.ndarray:
    """The scale of the neuron itself."""
    return op.scale


def unfolded(op: Any, at: Position, coding: Coding) -> Operation:
    """Nothing of it depends on scales."""
    return op


def as_it_is(op: Any, *_: Any) -> Operation:
    """Its scale and its number of spikes are its own."""
    return op


def largest_by_feature(shape: Shape) -> Observation:
    """The largest |value| by feature, in the broadcast shape of features."""
    axes = tuple(axis for axis, size in enumerate((1, *shape)) if size == 1)
    return Observation("output", lambda y: y.abs().amax(axes, keepdim=True)[0].double().cpu().numpy())


def with_spikes(op: Any, spikes: int, latest: tuple[int, ...] | None) -> Operation:
    """Of neurons with fields ``spikes`` and ``latest``."""
    steps = None if latest is None else np.array(latest, np.int16).reshape(op.scale.shape)
    return replace(op, spikes=spikes, latest=steps)


def unit_by_head(at: Position) -> np.ndarray:
    """Real value of one unit of a softmax's logits, broadcast shape, which may differ between heads.

    Raises:
        DeployError: it differs within a head.
    """
    found = at.operands[0].unit
    if max(found.shape[-2:], default=1) > 1:
        raise DeployError(f"'{at.name}': logits that are compared with each other have different units")
    return found
