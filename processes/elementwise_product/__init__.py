"""Elementwise trace product: gates, where two spike trains are multiplied neuron by neuron.

As in a matrix product by traces, but for each neuron alone: its two local traces r_a and r_b copy the decaying trace when
their side spikes, and at step k its potential grows by

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
"""Widest signed integers of which float32 holds every one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ElementwiseProduct(Operation):
    """Product of two populations, neuron by neuron; operands broadcast, as a gate per channel does over pixels.

    Nothing saturates: discretisation takes traces so small that the largest values of both sides, all of whose spikes come
    at once, multiply to a potential that fits (:func:`largest`).

    Attributes:
        traces: L_k of each operand's code, or the integer trace of it, (2, longest T); 0 after a shorter window.
        state_bits: width of the potential; 0 in floating point.
    """

    traces: np.ndarray
    state_bits: int = 0

    name: ClassVar[str] = "elementwise_product"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Something arrives only once both operands have begun."""
        return Window(max(s.start for s in sources), max(s.stop for s in sources))

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The product in real units."""
        return inputs[0] * inputs[1]

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape); in fixed point integers that float32, or if they are wider float64, holds exactly."""
        if self.state_bits:
            dtype = torch.float32 if self.state_bits <= FLOAT32_BITS else torch.float64
        a, b = (decode(codes, trace, dtype) for codes, trace in zip(inputs, self.traces, strict=True))
        return Result(a * b)

    def stepper(self, window: Window, sources: list[Window]) -> ElementwiseProductStepper:
        """Two local traces a neuron."""
        return ElementwiseProductStepper(self, window, sources)


class ElementwiseProductStepper:
    """Holds r_a and r_b and adds what each step's spikes contribute."""

    def __init__(self, op: ElementwiseProduct, window: Window, sources: list[Window]) -> None:
        self.op, self.start, self.starts = op, window.start, [source.start for source in sources]
        self.message = np.int64 if op.state_bits else np.float64
        self.reset()

    def reset(self) -> None:
        """Traces to zero."""
        self.held: list[np.ndarray] = [np.zeros(1, self.message)] * 2

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Currents (*shape), or None: (r_a + da)(r_b + db) - r_a r_b = da r_b + (r_a + da) db.

        Before both sides' windows have begun, spikes only write traces.
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
    """Largest magnitude of a value, and of any part of it, that a neuron of so many spikes sends with this trace."""
    return float(np.sort(np.abs(trace))[::-1][:spikes].sum(dtype=np.float64))
