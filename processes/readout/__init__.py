"""Readout: the potentials of the last layer, integrated for one window; no spikes.

In fixed point each output has a unit of its own; the host reads ``potential * unit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes.fixed import saturate
from processes.operation import Operation, Result, Window
from processes.sent import Operands, Sent, Stepwise, complete


@dataclass(frozen=True, eq=False, kw_only=True)
class Readout(Operation):
    """Integrates its operand and sends the potentials to the host.

    Attributes:
        unit: real value of a potential of 1, broadcast shape.
        state_bits: width of the potentials; 0 in floating point.
    """

    unit: np.ndarray
    state_bits: int = 0

    name: ClassVar[str] = "readout"
    emits: ClassVar[str] = "graded"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The one step in which the operand is complete; the potentials are sent in it."""
        return Window(max(ready), max(ready) + 1)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The operand's values, unchanged."""
        return inputs[0]

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """The operand's potentials (N, *shape), unchanged."""
        return Result(inputs[0])

    def stepper(self, window: Window, sources: list[Window]) -> ReadoutStepper:
        """The :class:`ReadoutStepper` of this operation."""
        return ReadoutStepper(self, window)


class ReadoutStepper:
    """Stepper of a :class:`Readout`: integrates its operand, and sends the potentials once at the end."""

    def __init__(self, op: Readout, window: Window) -> None:
        self.op, self.start = op, window.start
        self.reset()

    def reset(self) -> None:
        """Set all potentials to zero."""
        self.v = np.zeros(self.op.shape, np.int64 if self.op.state_bits else np.float64)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """The potentials (*shape) at the step of the window, None at all others."""
        if messages[0] is not None:
            self.v = self.v + messages[0]
            if self.op.state_bits:
                self.v = saturate(self.v, self.op.state_bits)
        return self.v if t == self.start else None

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """The one message of the sample: the integrated potentials of the operand."""
        if not complete(operands, self.start):
            return stepwise()
        self.reset()
        if operands[0] is not None:
            self.v = operands[0].total(2 ** (self.op.state_bits - 1) - 1 if self.op.state_bits else None)[0]
        return Sent(np.array([self.start]), self.v[None])
