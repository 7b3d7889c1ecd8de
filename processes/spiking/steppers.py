"""Steppers of the nodes without a state, for floating-point and integer networks; the dtype of messages says which.

Messages are arrays (samples, *shape), or None for silence; a silent operand counts as zeros. ``overflows`` counts the
values that were clipped to the chip's width of a graded spike since the last reset, in integer networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from processes.chips import LOIHI2, Chip
from processes.fixed import saturate, saturated, shift_toward_zero
from processes.spiking import Layout, MaxPool, Product, Reduce, SumPool, Weighted

Message = np.ndarray | None
Map = Callable[[np.ndarray], np.ndarray]


def patches(op: Weighted, x: np.ndarray) -> np.ndarray:
    """The receptive fields of a convolution over x (samples, ..., channels, *space), as in im2col.

    Returns (images, groups, channels of a group * kernel size, positions).
    """
    axes = len(op.stride)
    kernel = op.weight.shape[2:]
    padding = [(0, 0), (0, 0), *((p, p) for p in op.padding)]
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, op.dilation, strict=True))
    steps = tuple(slice(None, None, s) for s in op.stride)
    taps = tuple(slice(None, None, d) for d in op.dilation)
    last = tuple(range(2, 2 + axes)), tuple(range(2 + axes, 2 + 2 * axes))
    images = np.pad(x.reshape(-1, *x.shape[-1 - axes :]), padding)
    windows = np.lib.stride_tricks.sliding_window_view(images, reach, axis=last[0])  # type: ignore[call-overload]
    windows = windows[(slice(None), slice(None), *steps, *taps)]
    columns = windows.transpose(0, 1, *last[1], *last[0])  # a column of taps for each position
    return columns.reshape(len(images), op.groups, int(np.prod(op.weight.shape[1:])), -1)


def weighted_map(op: Weighted, weight: np.ndarray, shape: tuple[int, ...]) -> Map:
    """The map x -> W x of a layer with other weights, without a bias; ``shape`` is that of one sample's output."""
    if weight.ndim == 2:
        return lambda x: x @ weight.T
    kernels = weight.reshape(op.groups, len(weight) // op.groups, -1)
    return lambda x: (kernels @ patches(op, x)).reshape(len(x), *shape)


@dataclass
class Moved:
    """Stepper of a :class:`~processes.spiking.Layout`, whose operands have the sample shapes ``shapes``."""

    op: Layout
    shapes: tuple[tuple[int, ...], ...]
    overflows: int = 0

    def __post_init__(self) -> None:
        size = int(sum(np.prod(shape) for shape in self.shapes))
        flat = self.op.index.ravel()
        self.padded = bool((flat < 0).any())
        self.same = len(flat) == size and bool((flat == np.arange(size)).all())

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, *operands: Message) -> Message:
        """Gather one time step's values of the operands, (samples, *index.shape); None if all are silent."""
        there = [x for x in operands if x is not None]
        if not there:
            return None
        samples, dtype = max(map(len, there)), there[0].dtype
        flat = [
            np.zeros((samples, int(np.prod(shape))), dtype)
            if x is None
            else np.broadcast_to(x, (samples, *shape)).reshape(samples, -1)
            for x, shape in zip(operands, self.shapes, strict=True)
        ]
        if self.padded:
            flat.append(np.zeros((samples, 1), dtype))  # index -1
        joined = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
        moved = joined if self.same else joined[:, self.op.index.ravel()]
        return moved.reshape(samples, *self.op.index.shape)


@dataclass
class Scaled:
    """Stepper of an affine node in floating point: y = scale x + shift."""

    scale: np.ndarray
    shift: np.ndarray
    shape: tuple[int, ...]
    overflows: int = 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, x: Message) -> Message:
        """scale x + shift of one time step, (samples, *shape)."""
        return np.broadcast_to(self.shift, (1, *self.shape)) if x is None else self.scale * x + self.shift


@dataclass
class FixedScaled:
    """Stepper of an affine node in integers: y = saturate((mantissa x >> right) + shift), shifting toward zero.

    ``mantissa``, ``right`` and ``shift`` are integers that broadcast with ``shape``.
    """

    mantissa: np.ndarray
    right: np.ndarray
    shift: np.ndarray
    shape: tuple[int, ...]
    chip: Chip = LOIHI2
    overflows: int = 0

    def reset(self) -> None:
        """Clear the overflow count."""
        self.overflows = 0

    def step(self, x: Message) -> Message:
        """One time step, int64 (samples, *shape)."""
        x = np.zeros((1, *self.shape), np.int64) if x is None else x
        y = shift_toward_zero(x * self.mantissa, self.right) + self.shift
        self.overflows += saturated(y, self.chip.graded_bits)
        return np.broadcast_to(saturate(y, self.chip.graded_bits), (len(x), *self.shape))


@dataclass
class Added:
    """Stepper of a sum. In integers, operands are first shifted left by ``left`` bits, and the sum saturates."""

    left: tuple[int, ...]
    fixed: bool
    chip: Chip = LOIHI2
    overflows: int = 0

    def reset(self) -> None:
        """Clear the overflow count."""
        self.overflows = 0

    def step(self, *operands: Message) -> Message:
        """Sum the operands of one time step, (samples, *shape); None if all are silent."""
        total: Message = None
        for x, left in zip(operands, self.left, strict=True):
            if x is not None:
                shifted = x << left if self.fixed else x
                total = shifted if total is None else total + shifted
        if total is None or not self.fixed:
            return total
        self.overflows += saturated(total, self.chip.graded_bits)
        return saturate(total, self.chip.graded_bits)


@dataclass
class Multiplied:
    """Stepper of a product of two operands, by matrices or value by value; integer results saturate."""

    op: Product
    fixed: bool
    chip: Chip = LOIHI2
    overflows: int = 0

    def reset(self) -> None:
        """Clear the overflow count."""
        self.overflows = 0

    def step(self, a: Message, b: Message) -> Message:
        """Multiply the operands of one time step, (samples, *shape); None if either is silent."""
        if a is None or b is None:
            return None
        if not self.fixed:
            return a @ b if self.op.matrices else a * b
        # as float64: exact for sums of up to 2^5 products of 24-bit integers, and always where an operand is spikes
        y = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64) if self.op.matrices else a * b
        self.overflows += saturated(y, self.chip.graded_bits)
        return saturate(y, self.chip.graded_bits)


@dataclass
class Counted:
    """Stepper of a :class:`~processes.spiking.Levels` node; ``unit`` is the real value of 1 of its input."""

    most: int
    unit: float = 1.0
    overflows: int = 0

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def step(self, x: Message) -> Message:
        """y = round(x * unit) clipped to 0 .. ``most``, (samples, *shape); exact, as units are powers of two."""
        return None if x is None else np.clip(np.rint(x * self.unit), 0, self.most).astype(x.dtype)


@dataclass
class Pooled:
    """Stepper of max pooling, sum pooling and sums along axes; integer results saturate."""

    op: MaxPool | SumPool | Reduce
    shape: tuple[int, ...]
    chip: Chip = LOIHI2
    overflows: int = 0

    def reset(self) -> None:
        """Clear the overflow count."""
        self.overflows = 0

    def step(self, x: Message) -> Message:
        """Pool or sum one time step, (samples, *shape); None for silence."""
        if x is None:
            return None
        if isinstance(self.op, Reduce):
            return self._held(x.sum(tuple(axis + 1 for axis in self.op.axes)).reshape(len(x), *self.shape))
        largest = isinstance(self.op, MaxPool)
        least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        edges = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in self.op.padding]
        padded = np.pad(x, edges, constant_values=least if largest else 0) if any(self.op.padding) else x
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.op.kernel, axis=(-2, -1))  # type: ignore[call-overload]
        rows, columns = self.op.stride
        windows = windows[..., ::rows, ::columns, :, :]
        y = windows.max((-2, -1)) if largest else windows.sum((-2, -1))
        return self._held(y.reshape(len(x), *self.shape))

    def _held(self, y: np.ndarray) -> np.ndarray:
        if y.dtype.kind == "f":
            return y
        self.overflows += saturated(y, self.chip.graded_bits)
        return saturate(y, self.chip.graded_bits)
