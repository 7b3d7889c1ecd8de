"""Max pooling: a race of the spike trains of each field (pooling window), of which the largest value's is passed on.

    live_j = 1 at first, for the values j of a field
    z(k)   = max_j live_j z_j(k)                    over the signs z_j: + before silence before -
    live_j = 0 from the first step at which z_j(k) < z(k)

The neurons of a field share one code, whose thresholds fall: the earlier a neuron spikes +, the larger its value, and
the earlier it spikes -, the smaller. Neurons that have sent the same spikes so far have the same thresholds left. So at
every step the live neurons with the largest sign lead and the others drop out, and the output is the spike train of the
largest value, as it arrives. With one spike per value, the first positive spike wins and closes the gate; a field of
negative values passes a negative spike on only when all live neurons send it, which is the last one to arrive. Nothing
is coded again: the output has its operand's code and scale, one step later. With one spike its decoded value is the
largest decoded value; with several it is the decoded value of the largest potential, and another decoded value of the
field may be larger, by less than the error of the code.

Each neuron holds a bit for each value of its field. Padding takes no part. Ours (docs/design.md, Max pooling); the gate
that the first spike closes is that of time-to-first-spike networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.operation import Operation, Result, Window
from processes.phase_code import PhaseCode

F = torch.nn.functional
Pair = tuple[int, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Operation):
    """The largest value of each field of the last two axes; samples (1, channels, height, width), the operand's code.

    The first field begins ``padding`` before the operand; the last may reach beyond its end, as far as ``shape`` needs.

    Attributes:
        kernel, stride, padding, dilation: one number for each of the last two axes.
        scale: real value of a spike at k = 0, that of the operand, broadcast shape; it does not vary within a field.
        base, steps, spikes: the operand's code, and most spikes of a neuron in a window.
    """

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    scale: np.ndarray
    base: float = 2.0
    steps: int = 2
    spikes: int = 1

    name: ClassVar[str] = "max_pool"
    emits: ClassVar[str] = "spikes"  # type: ignore[assignment]
    passes_on: ClassVar[bool] = True

    @property
    def code(self) -> PhaseCode:
        """The phase code of its spikes, that of the operand."""
        return PhaseCode(self.base, self.steps)

    @property
    def pooled(self) -> tuple[int, ...]:
        """Axes of a sample along which a field has more than one value."""
        return tuple(len(self.shape) - 2 + i for i, size in enumerate(self.kernel) if size > 1)

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The operand's window, one step later."""
        return Window(sources[0].start + 1, sources[0].stop + 1)

    def fields(self, x: torch.Tensor) -> torch.Tensor:
        """The largest value of each field of x (..., height, width); -infinity for a field that is all padding."""
        sides: list[int] = []
        for axis in (1, 0):  # the last axis first, as torch expects
            reach = (self.shape[axis - 2] - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
            sides += [self.padding[axis], max(0, reach - x.shape[axis - 2] - self.padding[axis])]
        padded = F.pad(x.reshape(-1, 1, *x.shape[-2:]), sides, value=-torch.inf)
        largest = F.max_pool2d(padded, self.kernel, self.stride, 0, self.dilation)
        largest = largest[..., : self.shape[-2], : self.shape[-1]]
        return largest.reshape(*x.shape[:-2], *self.shape[-2:])

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Max pooling of values (N, channels, height, width)."""
        return self.fields(inputs[0])

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Codes (spikes, N, *shape) of each field's largest train.

        Trains are compared as numbers whose digits, in base 2 T + 1, are the spikes in order.
        """
        codes = inputs[0]
        radix = 2 * self.steps + 1
        exact = torch.float32 if radix ** len(codes) <= 2**24 else torch.float64
        rank = torch.zeros(codes.shape[1:], dtype=exact, device=codes.device)
        for plane in codes:  # an earlier spike ranks further from zero
            rank.mul_(radix).add_(plane.sign().to(exact) * (self.steps + 1 - plane.abs().to(exact)))
        rank = self.fields(rank)
        out = torch.empty((len(codes), *rank.shape), dtype=codes.dtype, device=codes.device)
        for plane in reversed(range(len(codes))):
            above = torch.floor((rank + self.steps) / radix)
            digit = rank - above * radix
            out[plane] = (digit.sign() * (self.steps + 1 - digit.abs())).to(codes.dtype)
            rank = above
        return Result(out)

    def taps(self, source: tuple[int, ...]) -> np.ndarray:
        """Flat index, in an operand of shape ``source``, of every value of every output's field; -1 for padding.

        Returns int64 (outputs, kernel height * kernel width), outputs in C order.
        """
        places = [
            np.arange(self.shape[axis - 2])[:, None] * self.stride[axis]
            - self.padding[axis]
            + np.arange(self.kernel[axis]) * self.dilation[axis]
            for axis in (0, 1)
        ]
        high, wide = source[-2:]
        y, x = places[0][:, None, :, None], places[1][None, :, None, :]
        inside = (y >= 0) & (y < high) & (x >= 0) & (x < wide)
        taps = np.where(inside, y * wide + x, -1).reshape(-1, int(np.prod(self.kernel)))
        planes = np.arange(int(np.prod(source[:-2])))[:, None, None] * high * wide
        return np.where(taps >= 0, planes + taps, -1).reshape(-1, taps.shape[-1])

    def stepper(self, window: Window, sources: list[Window]) -> MaxPoolStepper:
        """The :class:`MaxPoolStepper` of this operation."""
        return MaxPoolStepper(self)


class MaxPoolStepper:
    """Stepper of a :class:`MaxPool`: decides races in the step in which spikes arrive, and sends one step later."""

    def __init__(self, op: MaxPool) -> None:
        self.op = op
        self.index: np.ndarray | None = None  # known with the first message
        self.reset()

    def reset(self) -> None:
        """Begin new races: all values are live, and no spike waits to be sent."""
        self.waiting: np.ndarray | None = None
        self.live: np.ndarray | None = None

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Signs int8 (*shape) of the spikes that won in the step before, or None."""
        sent, self.waiting = self.waiting, None
        if messages[0] is not None:
            self.waiting = self._decide(messages[0])
        return sent

    def _decide(self, signs: np.ndarray) -> np.ndarray | None:
        if self.index is None:
            self.index = self.op.taps(signs.shape)
        live = self.index >= 0 if self.live is None else self.live
        taken = np.where(live, signs.reshape(-1).astype(np.int8)[self.index], -2)
        most = taken.max(-1)
        self.live = taken == most[:, None]
        return most.reshape(self.op.shape) if most.any() else None
