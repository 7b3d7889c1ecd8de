"""Maxima over windows and over axes: races of spikes, in which the earliest spike carries the largest value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from converters.lowering.arithmetic import scale
from converters.lowering.bounds import larger
from converters.lowering.builder import Selection, Surrounded, Unsupported, Value, as_parameter
from converters.lowering.handlers import Call, handles
from converters.lowering.routing import wiring
from converters.lowering.windows import per_axis
from processes.dynamic_threshold import DynamicThreshold
from processes.max_pool import MaxPool
from processes.phase_neuron import PhaseNeuron
from processes.woss import Woss

CODED = PhaseNeuron | DynamicThreshold | Woss | MaxPool  # operations whose larger values spike earlier


ABSENT = (1, 1, 0, 1)  # kernel, stride, padding and dilation of an axis along which nothing is pooled


class Windows(NamedTuple):
    """Geometry of pooling windows: of each attribute, one number for each pooled axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def of_pixels(self) -> Windows:
        """The windows of the last two axes; if there is one axis only, with an axis before it that is not pooled."""
        return Windows(*((fill, *own)[-2:] for fill, own in zip(ABSENT, self, strict=True)))

    def of_slices(self) -> Windows:
        """The windows of the first axis, followed by an axis along which nothing is pooled."""
        return Windows(*((own[0], fill) for fill, own in zip(ABSENT, self, strict=True)))


class Maxima(list["Value | Highest"]):
    """The result of an operation that gives largest values and their places; only the values can be read."""

    def __getitem__(self, index: Any) -> Any:
        """The values, at index 0; the places raise Unsupported."""
        if index != 0:
            raise Unsupported("where the largest value is: a race says how large it is")
        return super().__getitem__(index)


@dataclass(frozen=True)
class Highest(Selection):
    """The largest of each row of masked logits, which a model takes off them before a softmax; that changes nothing."""

    logits: Value

    def follow(self, call: Call) -> Value:
        """The logits as they are, where their largest is taken off them; refuses other operations on masked logits."""
        if call.function not in ("sub", "sub_") or call.args[0] is not self.logits:
            self.logits.check_unmasked()
        return self.logits


@handles("max_pool1d", "max_pool2d", "max_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices",
         "max_pool3d_with_indices")  # fmt: skip
def windows(call: Call) -> Any:
    """Max pooling in windows of one to three axes: of three, the last two are pooled first, and then the first."""
    x: Value | Surrounded = call.args[0]
    axes = int(call.function.removeprefix("max_pool")[0])
    kernel = per_axis(call.args[1], axes)
    if isinstance(x, Surrounded):
        plain = per_axis(call.arg(3, "padding", 0), axes) + per_axis(call.arg(4, "dilation", 1), axes)
        if x.widest >= min(kernel) or plain != (0,) * axes + (1,) * axes:
            raise Unsupported("windows that may see nothing but the surroundings")
        x = x.value
    stride = per_axis(call.arg(2, "stride") or kernel, axes)
    padding, dilation = (per_axis(call.arg(i, name, d), axes) for i, name, d in ((3, "padding", 0), (4, "dilation", 1)))
    pool = (torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d)[axes - 1]
    shape = pool(torch.empty(x.shape), kernel, stride, padding, dilation, bool(call.arg(5, "ceil_mode", False))).shape
    y = _over_trailing(call, x, tuple(shape), Windows(kernel, stride, padding, dilation))
    return Maxima([y]) if "indices" in call.function else y


@handles("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive(call: Call) -> Maxima:
    """Adaptive max pooling: in equal windows that do not overlap, or else along one axis after the other."""
    x: Value = call.args[0]
    axes = int(call.function[-2])
    size = per_axis(call.args[1], axes)
    if any(n % wanted for n, wanted in zip(x.shape[-axes:], size, strict=True)):
        for axis, wanted in enumerate(size, len(x.shape) - axes):
            x = _along(call, x, axis, wanted)
        return Maxima([x])
    kernel = tuple(n // wanted for n, wanted in zip(x.shape[-axes:], size, strict=True))
    shape = (*x.shape[:-axes], *size)
    return Maxima([_over_trailing(call, x, shape, Windows(kernel, kernel, (0,) * axes, (1,) * axes))])


def _along(call: Call, x: Value, axis: int, wanted: int) -> Value:
    """The maxima of ``wanted`` windows along an axis, which may differ in length: the last value of a short one is repeated."""
    n, lead = x.shape[axis], x.shape[:axis]
    bounds = [(i * n // wanted, -(-(i + 1) * n // wanted)) for i in range(wanted)]
    longest = max(end - start for start, end in bounds)
    places = torch.tensor([min(start + i, end - 1) for start, end in bounds for i in range(longest)])
    shape = (*lead, len(places), *x.shape[axis + 1 :])
    args = (x, axis, places)
    call = replace(call, function="index_select", target=torch.index_select, args=args, kwargs={}, shape=shape)
    windows = wiring(call).routed(("reshape", [*lead, wanted, longest, *x.shape[axis + 1 :]]))
    shape = (*lead, wanted, *x.shape[axis + 1 :])
    return over_axes(replace(call, function="amax", args=(windows, [axis + 1]), shape=shape))


@handles("amax", "max")
def over_axes(call: Call) -> Any:
    """The largest value along axes, or of all values if no axes are given; of two operands, the elementwise maximum."""
    x: Value = call.args[0]
    axes = call.arg(1, "dim")
    if isinstance(axes, Value | torch.Tensor):
        return larger(call)
    with_places = call.function == "max" and axes is not None
    if x.mask is not None and axes in (-1, [-1]) and call.arg(2, "keepdim", False):
        return Maxima([Highest(x)]) if with_places else Highest(x)
    chosen = [] if axes is None else np.atleast_1d(axes).tolist()
    pool = [int(a) % len(x.shape) for a in chosen or range(len(x.shape))]
    if not call.shape and not with_places:
        raise Unsupported("a result that has no axes, not even one for samples")
    rest = [a for a in range(len(x.shape)) if a not in pool]
    count, left = (math.prod(x.shape[a] for a in some) for some in (pool, rest))
    x = x.routed(("permute", pool + rest), ("reshape", [1, 1, count, left]))
    y = _pool(call, x, (1, left), Windows((count, 1), (1, 1), (0, 0), (1, 1)))
    keep = bool(call.arg(2, "keepdim", False))
    shape = [1 if a in pool else n for a, n in enumerate(call.args[0].shape) if keep or a not in pool]
    y = y.routed(("reshape", shape))
    return Maxima([y]) if with_places else y


@handles("amin", "min")
def smallest(call: Call) -> Any:
    """The smallest value along axes, or of two operands: minus the largest of the values' negatives."""
    x: Value = call.args[0]
    if isinstance(call.arg(1, "dim"), Value | torch.Tensor):
        return larger(replace(call, function="minimum"))
    x.check_unmasked()
    function = {"amin": "amax", "min": "max"}[call.function]
    found = over_axes(replace(call, function=function, args=(scale(x, -1.0), *call.args[1:])))
    return Maxima([scale(found[0], -1.0)]) if isinstance(found, Maxima) else scale(found, -1.0)


def _over_trailing(call: Call, x: Value, shape: tuple[int, ...], windows: Windows) -> Value:
    """Max pooling in windows of the last axes, one to three of them; the result has ``shape``."""
    axes = len(windows.kernel)
    high, wide = (1, *x.shape[-axes:])[-2:]
    size = (1, *shape[-axes:])[-2:]
    y = x.routed(("reshape", [1, math.prod(x.shape) // (high * wide), high, wide]))
    y = _pool(call, y, size, windows.of_pixels())
    if axes == 3:
        pixels = math.prod(size)
        y = y.routed(("reshape", [1, math.prod(x.shape[:-3]), x.shape[-3], pixels]))
        y = _pool(call, y, (shape[-3], pixels), windows.of_slices())
    return y.routed(("reshape", list(shape)))


def _pool(call: Call, x: Value, size: tuple[int, ...], windows: Windows) -> Value:
    """A race in each window of x (1, channels, height, width); the result is (1, channels, *size).

    A gain above zero and an offset that are the same for all values of a window stay pending after the race. With
    others, or where larger values do not spike earlier, x is coded anew before it.
    """
    builder = call.builder
    kept = [s == k == 1 for s, k in zip(windows.stride, windows.kernel, strict=True)]
    node = builder.fire(x)
    coded = isinstance(builder.network[builder.network.origin(node)], CODED)
    for pending, least in ((x.gain, 0.0), (x.offset, -np.inf)):
        if pending is not None:
            parameter = as_parameter(pending, x.shape)
            alike = all(keep or n == 1 for keep, n in zip(kept, parameter.shape[2:], strict=True))
            coded = coded and alike and bool((parameter > least).all())
    if not coded:
        x = Value(builder.join(x), x.shape)
    node, gain, offset = builder.spikes(x)
    shape = (*x.shape[:2], *size)
    op = MaxPool(shape=shape, scale=np.ones((1,) * 4), **windows._asdict())
    gain, offset = (None if t is None else torch.from_numpy(as_parameter(t, x.shape)) for t in (gain, offset))
    return Value(builder.network.add(call.name, op, node), shape, gain=gain, offset=offset)
