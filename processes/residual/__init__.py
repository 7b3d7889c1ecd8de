"""Residual stream and weighted sums: held as potentials, sent on as one graded spike per neuron.

A population integrates each branch that adds to it in a compartment of its own, and sums the compartments at the end:
unweighted in a residual stream, weighted where a potential is a linear function of a few others, as in rotary
embeddings (Su et al., RoFormer), y_i = cos(p w_i) x_i - sin(p w_i) x_(i+h/2) at position p. In fixed point a
compartment is in units of the rows of the synapse that writes it; for the sum it is multiplied by a mantissa and
shifted (toward zero) to the stream's common unit, as a graded spike is by the weight of a synapse. The sum saturates at
the state width (docs/design.md, Residual stream and Fixed point).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.tables import Axes
from processes.fixed import mul_shift
from processes.kernels.stepped import integrate
from processes.operation import Operation, Result, SaturatingStepper, Window
from processes.sent import Operands, Sent, Stepwise, complete
from processes.spikes import foldable, parameter_axes, per_neuron


@dataclass(frozen=True, eq=False, kw_only=True)
class Residual(Operation):
    """Weighted sum of its operands plus a bias, held as potentials: a residual stream or a rotary embedding.

    Attributes:
        bias: broadcast shape, in units of the stream.
        weights: real factor of each operand, (operands, *broadcast shape); None if all are 1. In fixed point the
            mantissas include these factors, and the arithmetic does not read this field.
        mantissas, shifts: integer factor of each operand, and right shift of the product (negative: left),
            (operands, *broadcast shape); fixed point only.
        state_bits: width of the potentials; 0 in floating point.
    """

    bias: np.ndarray
    weights: np.ndarray | None = None
    mantissas: np.ndarray | None = None
    shifts: np.ndarray | None = None
    state_bits: int = 0

    name: ClassVar[str] = "residual"
    emits: ClassVar[str] = "graded"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The one step in which every branch is complete; the sum is sent in it."""
        return Window(max(ready), max(ready) + 1)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The weighted sum of the branches plus the bias, in real units."""
        branches = inputs
        if self.weights is not None:
            weights = constant(self.weights, inputs[0].device, inputs[0].dtype)
            branches = tuple(branch * w for branch, w in zip(inputs, weights, strict=True))
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total + constant(self.bias, total.device, total.dtype)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape) of the branches' potentials: floating point, or int32, saturated, in fixed point."""
        if not self.state_bits:
            return Result(self.ideal(*inputs))
        axes, factors, bias = self._folded
        limit = 2 ** (self.state_bits - 1) - 1
        return Result(*backend_of(inputs[0]).add_up(inputs, factors, bias, axes, limit))

    @cached_property
    def _folded(self) -> tuple[Axes, np.ndarray, np.ndarray]:
        """How samples fold as (A, M, D), the factors mantissa 2^-shift (operands, A, D) and the bias (A, D), float64.

        :func:`processes.spikes.parameter_axes` defines the folding.
        """
        mantissas, shifts = self.factors
        factors, bias = np.ldexp(mantissas.astype(float), -shifts), self.bias
        full = foldable(self.shape, np.broadcast_shapes(factors.shape[1:], bias.shape))
        axes = parameter_axes(self.shape, full)
        own = [per_neuron(np.broadcast_to(p, full).reshape(-1), axes, float) for p in (*factors, bias)]
        return axes, np.stack(own[:-1]), own[-1]

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """``mantissas`` and ``shifts`` of a fixed-point operation."""
        assert self.mantissas is not None and self.shifts is not None
        return self.mantissas, self.shifts

    def stepper(self, window: Window, sources: list[Window]) -> ResidualStepper:
        """A stepper with one compartment per operand."""
        return ResidualStepper(self, window, len(sources))


class ResidualStepper(SaturatingStepper):
    """Stepper of a :class:`Residual`: integrates each branch in a compartment, and sends one message at the end."""

    def __init__(self, op: Residual, window: Window, operands: int) -> None:
        self.op, self.start, self.operands = op, window.start, operands
        self.dtype = np.int64 if op.state_bits else np.float64
        self.limit = 2 ** (op.state_bits - 1) - 1 if op.state_bits else None
        self.reset()

    def reset(self) -> None:
        """Set the compartments and the count of clips to zero."""
        self.clips = 0
        self.v = [np.zeros(self.op.shape, self.dtype) for _ in range(self.operands)]

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """The weighted sum (*shape) at the step of the window, None at all others."""
        for i, message in enumerate(messages):
            if message is not None:
                integrate(self.v[i].reshape(-1), message.reshape(-1), self.limit)
        if t != self.start:
            return None
        if not self.op.state_bits:
            held = self.v if self.op.weights is None else [w * v for w, v in zip(self.op.weights, self.v, strict=True)]
            return sum(held[1:], held[0]) + self.op.bias
        branches = [mul_shift(v, m, s) for v, m, s in zip(self.v, *self.op.factors, strict=True)]
        return self.saturate(sum(branches[1:], branches[0]) + self.op.bias, self.op.state_bits)

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """The one message of the sample, from the integrated potential of each branch."""
        if not complete(operands, self.start):
            return stepwise()
        self.reset()
        for i, sent in enumerate(operands):
            if sent is not None:
                self.v[i] = sent.total(self.limit)[0].reshape(self.op.shape)
        message = self.step(self.start, [None] * self.operands)
        assert message is not None
        return Sent(np.array([self.start]), message[None])


@dataclass(frozen=True, eq=False, kw_only=True)
class Centre(Operation):
    """LayerNorm's centring of graded potentials: a mean neuron forms M = sum x / n over the last axis, and c = x - M.

    In fixed point M is rounded toward zero.

    Attributes:
        state_bits: width at which c saturates; 0 in floating point.
    """

    state_bits: int = 0

    name: ClassVar[str] = "centre"
    emits: ClassVar[str] = "graded"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The step of its operand's message, in which c is also sent."""
        return Window(max(ready), max(ready) + 1)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """x minus its mean over the last axis."""
        return inputs[0] - inputs[0].mean(-1, keepdim=True)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """c (N, *shape) of potentials x (N, *shape): floating point, or int32, saturated, in fixed point."""
        v = inputs[0]
        if v.is_floating_point():
            return Result(self.ideal(v))
        return Result(*backend_of(v).centre(v, 2 ** (self.state_bits - 1) - 1))

    def stepper(self, window: Window, sources: list[Window]) -> CentreStepper:
        """A stepper without a state, which centres a message in the step of its arrival."""
        return CentreStepper(self)


class CentreStepper(SaturatingStepper):
    """Stepper of a :class:`Centre`: centres a message in the step of its arrival."""

    def __init__(self, op: Centre) -> None:
        self.op = op

    def reset(self) -> None:
        """Clear the count of clips; there is no other state."""
        self.clips = 0

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """c = x - M of this step's message, or None."""
        v = messages[0]
        if v is None:
            return None
        if np.issubdtype(v.dtype, np.floating):
            return v - v.mean(-1, keepdims=True)
        total = v.sum(-1, keepdims=True)
        mean = np.sign(total) * (np.abs(total) // v.shape[-1])
        return self.saturate(v - mean, self.op.state_bits)
