"""Maxima over windows and over axes: races of spikes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from converters.lowering.bounds import larger
from converters.lowering.builder import Selection, Surrounded, Unsupported, Value, as_parameter
from converters.lowering.handlers import Call, handles
from converters.lowering.linear import per_axis
from processes.dynamic_threshold import DynamicThreshold
from processes.max_pool import MaxPool
from processes.phase_neuron import PhaseNeuron
from processes.woss import Woss

CODED = PhaseNeuron | DynamicThreshold | Woss | MaxPool  # whose spikes come the earlier, the more they say


ABSENT = (1, 1, 0, 1)  # geometry of an axis along which nothing is pooled


class Windows(NamedTuple):
    """Geometry of windows of some axes, a number for each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def of_pixels(self) -> Windows:
        """Of the last two axes."""
        return Windows(*((fill, *own)[-2:] for fill, own in zip(ABSENT, self, strict=True)))

    def of_slices(self) -> Windows:
        """Of the first axis, followed by one along which nothing is pooled."""
        return Windows(*((own[0], fill) for fill, own in zip(ABSENT, self, strict=True)))


class Maxima(list["Value | Highest"]):
    """The largest values alone, of an operation that also says where they were."""

    def __getitem__(self, index: Any) -> Any:
        """The values, which come first."""
        if index != 0:
            raise Unsupported("where the largest value is: a race says how large it is")
        return super().__getitem__(index)


@dataclass(frozen=True)
class Highest(Selection):
    """The largest of each row of logits of which a mask leaves some out. A softmax is the same without it."""

    logits: Value

    def follow(self, call: Call) -> Value:
        """Taken off the logits, it changes no softmax, and nothing else may read them."""
        if call.function not in ("sub", "sub_") or call.args[0] is not self.logits:
            self.logits.check_unmasked()
        return self.logits


@handles("max_pool1d", "max_pool2d", "max_pool3d", "max_pool1d_with_indices", "max_pool2d_with_indices",
         "max_pool3d_with_indices")  # fmt: skip
def windows(call: Call) -> Any:
    """Windows of one axis, of two, or of two and then the third before them: a maximum of maxima."""
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
    """Equal windows that do not overlap."""
    x: Value = call.args[0]
    axes = int(call.function[-2])
    size = per_axis(call.args[1], axes)
    if any(n % wanted for n, wanted in zip(x.shape[-axes:], size, strict=True)):
        raise Unsupported(f"windows of different sizes: {x.shape[-axes:]} is not a multiple of {size}")
    kernel = tuple(n // wanted for n, wanted in zip(x.shape[-axes:], size, strict=True))
    shape = (*x.shape[:-axes], *size)
    return Maxima([_over_trailing(call, x, shape, Windows(kernel, kernel, (0,) * axes, (1,) * axes))])


@handles("amax", "max")
def over_axes(call: Call) -> Any:
    """The largest along axes, of all values without any."""
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


def _over_trailing(call: Call, x: Value, shape: tuple[int, ...], windows: Windows) -> Value:
    """Windows of the last axes, one to three of them, to a sample of ``shape``."""
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
    """A race in each window of x (1, channels, height, width), to (1, channels, *size).

    A pending gain above zero and an offset that are the same for all values of a window are still pending after it; others
    are coded before.
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
