"""Nodes that map the input of a step to the output of the same step, and Delay.

In fixed point a weighted map computes with 8-bit mantissas and one shift::

    y = saturate24( shift_toward_zero( W_m x, right ) + b )

The sums are computed in float64, which is exact for up to 2^22 terms of 8-bit mantissas times 24-bit signals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from processes.chips import LOIHI2, Chip
from processes.fixed import saturate, saturated, shift_toward_zero

Map = Callable[[np.ndarray], np.ndarray]


@dataclass
class Stateless:
    """y = map(x), a linear map without a bias; silence stays silence."""

    map: Map
    overflows: int = 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """map(x) of one time step."""
        return None if x is None else self.map(x)


@dataclass
class Weighted:
    """A layer with weights in floating point: y = map(x) + bias.

    Attributes:
        map: the linear map, without the bias.
        bias: broadcasts to the output; None if there is none.
        shape: of one sample's output.
    """

    map: Map
    bias: np.ndarray | None
    shape: tuple[int, ...]
    overflows: int = 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """map(x) + bias of one time step; the bias is added at every step, silent ones included."""
        if x is None:
            return None if self.bias is None else np.broadcast_to(self.bias, (1, *self.shape))
        return self.map(x) if self.bias is None else self.map(x) + self.bias


@dataclass
class FixedWeighted:
    """A layer with weights in integers: y = saturate((W_m x >> right) + bias), shifting toward zero.

    Attributes:
        map: the linear map by integer mantissas W_m, computed in float64.
        bias: int64, in units of the output; None if there is none.
        right: bits to shift right; negative shifts left.
        shape: of one sample's output.
        mantissa: the mantissas that ``map`` uses, for inspection; None if they are not kept.
        chip: its ``graded_bits`` is the width of the output.
        overflows: values clipped to that width since the last reset.
    """

    map: Map
    bias: np.ndarray | None
    right: int
    shape: tuple[int, ...]
    mantissa: np.ndarray | None = None
    chip: Chip = LOIHI2
    overflows: int = 0

    def reset(self) -> None:
        """Clear the overflow count."""
        self.overflows = 0

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """The output int64 (samples, *shape) of one time step, for input x int64 (samples, *in)."""
        if x is None:
            return None if self.bias is None else np.broadcast_to(self.bias, (1, *self.shape))
        y = shift_toward_zero(np.rint(self.map(x.astype(np.float64))).astype(np.int64), self.right)
        y = y if self.bias is None else y + self.bias
        self.overflows += saturated(y, self.chip.graded_bits)
        return saturate(y, self.chip.graded_bits)


@dataclass
class Threshold:
    """y = 1 where x > threshold, else 0, in the dtype of ``threshold``."""

    threshold: np.ndarray
    overflows: int = 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """Spikes 0 and 1 (samples, *shape) of one time step; None if nothing fires. Silence counts as x = 0."""
        fired = np.greater(0 if x is None else x, self.threshold)
        fired = fired if x is not None else fired[None]
        return fired.astype(self.threshold.dtype) if fired.any() else None


@dataclass
class Delay:
    """y(t) = x(t - steps), each element by its own number of steps, and 0 before that.

    Attributes:
        steps: delay of each element in time steps, int64 (*shape).
        past: the latest inputs, as many as the longest delay needs.
    """

    steps: np.ndarray
    overflows: int = 0
    past: deque[np.ndarray | None] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.values = np.unique(self.steps)
        self.past = deque(maxlen=int(self.values[-1]) + 1)

    def reset(self) -> None:
        """Drop all inputs that are still delayed."""
        self.past.clear()

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """The values that entered ``steps`` steps ago, (samples, *shape); None if they are silent."""
        self.past.append(x)
        due = [(n, self.past[-1 - n]) for n in self.values if n < len(self.past)]
        arriving = [(n, message) for n, message in due if message is not None]
        if not arriving:
            return None
        if len(self.values) == 1:
            return arriving[0][1]
        messages = [message for _, message in arriving]  # a bias alone is the same for all samples, (1, *shape)
        y = np.zeros(np.broadcast_shapes(*(message.shape for message in messages)), np.result_type(*messages))
        for n, message in arriving:
            np.copyto(y, message, where=self.steps == n)
        return y


def affine_map(weight: np.ndarray) -> Map:
    """The map x -> W x along the last axis; weight (..., out, in), whose leading axes are those of the signal."""
    if weight.ndim == 2:
        return lambda x: x @ weight.T
    return lambda x: np.einsum("...oi,...i->...o", weight, x)


def conv_map(
    weight: np.ndarray, stride: tuple[int, ...], padding: list[tuple[int, int]], dilation: tuple[int, ...], groups: int
) -> Map:
    """Cross-correlation of x (samples, in, *space) with weight (out, in / groups, *kernel); padding (before, after)."""
    axes = len(stride)
    kernels = np.split(weight, groups)

    def convolve(x: np.ndarray) -> np.ndarray:
        windows = _windows(x, weight.shape[2:], stride, padding, dilation)
        channels = np.split(windows, groups, axis=1)
        contracted = ([1, *range(2 + axes, 2 + 2 * axes)], [1, *range(2, 2 + axes)])
        outs = [np.tensordot(part, k, contracted) for part, k in zip(channels, kernels, strict=True)]
        return np.moveaxis(np.concatenate(outs, axis=-1), -1, 1)

    return convolve


def pool_map(kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], divisor: float) -> Map:
    """Sums over the windows of x (samples, channels, *space), divided by ``divisor`` unless it is 1."""
    pairs = [(p, p) for p in padding]
    axes = tuple(range(-len(kernel), 0))

    def pool(x: np.ndarray) -> np.ndarray:
        total = _windows(x, kernel, stride, pairs, (1,) * len(kernel)).sum(axes, dtype=np.float64)
        return total if divisor == 1 else total / divisor

    return pool


def _windows(
    x: np.ndarray, kernel: tuple[int, ...], stride: tuple[int, ...], padding: list[tuple[int, int]],
    dilation: tuple[int, ...],
) -> np.ndarray:  # fmt: skip
    """Windows (samples, channels, *positions, *kernel) of x (samples, channels, *space), a view of the padded input."""
    padded = np.pad(x, [(0, 0), (0, 0), *padding]) if any(map(any, padding)) else x
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    space = tuple(range(2, 2 + len(kernel)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=space)  # type: ignore[call-overload]
    steps = [slice(None, None, s) for s in stride]
    return windows[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in dilation))]
