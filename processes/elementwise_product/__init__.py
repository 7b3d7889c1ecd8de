"""Elementwise trace product: gates, where two spike trains are multiplied neuron by neuron.

As in a trace-driven matrix product, but without a sum: each neuron has a local trace of either operand, r_a and r_b, to
which a spike of that operand adds its decaying global trace p, and at step k its potential grows by

    a(k) p_a r_b  +  r_a b(k) p_b  +  (both at k) a(k) b(k) p_a p_b

with r taken before the step's copies. Over the windows this sums to x_a x_b, the product of the two decoded values.
Source: SpikedAttention, trace-driven product, here without a sum over features; docs/design.md, Gates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.operation import Operation, Result, Window
from processes.spikes import decode

FLOAT32_BITS = 25
"""Width of the widest signed integers that float32 holds exactly, the sign included."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseProduct(Operation):
    """Trace-driven product of two spike trains, value by value; operands broadcast, as a gate per channel over pixels.

    Nothing saturates in fixed point: discretisation chooses traces so small that the product of the largest values that
    both operands can send (:func:`largest`) fits a potential.

    Attributes:
        traces: L_k of each operand's code, or its integer trace, (2, longest T); 0 after a shorter window.
        state_bits: width of the potential; 0 in floating point.
    """

    traces: np.ndarray
    state_bits: int = 0

    name: ClassVar[str] = "elementwise_product"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The steps from the beginning of the later operand's window to the end of the last one's."""
        return Window(max(s.start for s in sources), max(s.stop for s in sources))

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The product of the operands, value by value, in real units."""
        return inputs[0] * inputs[1]

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape) of codes (planes, N, ...); in fixed point integers, exact in float32 or float64."""
        if self.state_bits:
            dtype = torch.float32 if self.state_bits <= FLOAT32_BITS else torch.float64
        a, b = (decode(codes, trace, dtype) for codes, trace in zip(inputs, self.traces, strict=True))
        return Result(a * b)

    def stepper(self, window: Window, sources: list[Window]) -> ElementwiseProductStepper:
        """The :class:`ElementwiseProductStepper` of this product."""
        return ElementwiseProductStepper(self, window, sources)


class ElementwiseProductStepper:
    """Stepper of an :class:`ElementwiseProduct`; holds the local traces r_a and r_b of each neuron."""

    def __init__(self, op: ElementwiseProduct, window: Window, sources: list[Window]) -> None:
        self.op, self.start, self.starts = op, window.start, [source.start for source in sources]
        self.message = np.int64 if op.state_bits else np.float64
        self.reset()

    def reset(self) -> None:
        """Set the local traces to zero."""
        self.held: list[np.ndarray] = [np.zeros(1, self.message)] * 2

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Currents (*shape) of step ``t``, or None: (r_a + da)(r_b + db) - r_a r_b = da r_b + (r_a + da) db.

        da and db are what this step's spikes add to the traces. Before both windows have begun, spikes only write
        traces.
        """
        current = None
        for side, spikes in enumerate(messages):
            if spikes is None:
                continue
            copied = spikes.astype(self.message) * self.op.traces[side][t - self.starts[side]].astype(self.message)
            added = copied * self.held[1 - side]
            self.held[side] = self.held[side] + copied
            current = added if current is None else current + added
        return None if current is None or t < self.start else np.broadcast_to(current, self.op.shape)


def largest(trace: np.ndarray, spikes: int) -> float:
    """The largest magnitude that a neuron of ``spikes`` spikes can send: the sum of its largest trace values."""
    return float(np.sort(np.abs(trace))[::-1][:spikes].sum(dtype=np.float64))
