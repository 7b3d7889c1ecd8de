"""Trace-driven products: two spike trains multiplied by spikes and traces alone.

A global trace p_k = L_k decays by the factor B at each step; each operand has one, as its window and its B are its own.
A neuron that spikes adds the global trace to its local trace r. At step k the product neuron receives

    sum_d [ a_d(k) p_k r_b,d  +  r_a,d b_d(k) p_k  +  (both at k) a_d b_d p_k^2 ]

with r taken before the step's copies; over the window this sums to sum_d x_a,d x_b,d, the product of the decoded values.
Local traces are held until the product is complete, so an operand may fire in an earlier window (V before A in A V).
Source: SpikedAttention, trace-driven matrix multiplication. In fixed point the trace is round(P B^-k), P as large as the
calibrated potential allows; the potential saturates at every step like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.operation import Operation, Result, Window
from processes.spikes import decode, decode_bounded
from processes.trace_product.exact import saturating


@dataclass(frozen=True, eq=False, kw_only=True)
class TraceProduct(Operation):
    """Trace-driven matrix product of two spike trains a and b plus a bias; sends currents: Q K^T and A V of attention.

    Attributes:
        traces: L_k of each operand's code, or its integer product trace, (2, longest T); 0 after a shorter window.
        transpose_b: whether the sum runs over the last axis of b (a b^T), not over its second-last one (a b).
        bias: broadcast shape of the output, in the product's own units (attention bias); a single zero if none.
        delay: steps from the beginning of a's window to that of b's; fixed point only, where saturation depends on it.
        state_bits: width of the potential; 0 in floating point.
    """

    traces: np.ndarray
    transpose_b: bool
    bias: np.ndarray
    delay: int = 0
    state_bits: int = 0

    name: ClassVar[str] = "trace_product"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The steps from the beginning of the later operand's window to the end of the last one's."""
        return Window(max(s.start for s in sources), max(s.stop for s in sources))

    def product(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """The matrix product a b^T if ``transpose_b``, else a b, without the bias."""
        return torch.matmul(a, b.transpose(-1, -2) if self.transpose_b else b)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The matrix product plus the bias, in real units."""
        return self.product(*inputs) + constant(self.bias, inputs[0].device, inputs[0].dtype)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape) of the operands' codes (planes, N, *shape); fixed point includes every saturation."""
        if not self.state_bits:
            pairs = zip(inputs, self.traces, strict=True)
            return Result(self._biased(*(decode(codes, trace, dtype) for codes, trace in pairs)))
        (a, norm_a), (b, norm_b) = (self._bounded(codes, i) for i, codes in enumerate(inputs))
        return Result(*saturating(self, self._biased(a, b), inputs, (a, b), (norm_a, norm_b)))

    def _biased(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """The product plus the bias."""
        y = self.product(a, b)
        return y.add_(constant(self.bias, y.device, y.dtype)) if self.bias.any() else y

    def _bounded(self, codes: torch.Tensor, operand: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Decoded values of an operand, and norms by row (or column) that no subset of its spikes exceeds."""
        rows = operand == 0 or self.transpose_b
        return decode_bounded(codes, self.traces[operand], -1 if rows else -2)

    def stepper(self, window: Window, sources: list[Window]):
        """The :class:`~processes.trace_product.stepper.ProductStepper` of this product."""
        from processes.trace_product.stepper import ProductStepper

        return ProductStepper(self, window, sources)


@dataclass(frozen=True, eq=False, kw_only=True)
class SquareSum(Operation):
    """Trace-driven self product: sum of squares over the last axis, shape (..., 1). Drives LayerNorm's threshold.

    A spike of sign z at step k adds its share 2 r z p_k + p_k^2, r being the neuron's local trace, times ``weight`` in
    floating point or shifted right by ``shift`` in fixed point.

    A feature that is thousands of times the others in a few tokens ("massive activations" of language models) sets the
    unit of the sum, and the shares of all others would be rounded to 0 one by one. ``fraction_bits`` keep these
    fractions in a second word that is not sent: the currents sent so far add up to the sum so far, rounded down.

    Attributes:
        trace: L_k of the operand's code, or its integer product trace, (T,).
        weight: squared scale of each feature's code, broadcast shape; None in fixed point.
        shift: integers, twice the exponent of each feature's power-of-two scale below the largest; None in float.
        fraction_bits: bits of the sum below its unit; 0 if there is no second word.
        state_bits: width of the potential; 0 in floating point.
    """

    trace: np.ndarray
    weight: np.ndarray | None = None
    shift: np.ndarray | None = None
    fraction_bits: int = 0
    state_bits: int = 0

    name: ClassVar[str] = "square_sum"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """The window of its operand: a spike's share is sent in the step of the spike."""
        return sources[0]

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """sum x^2 over the last axis, which keeps length 1."""
        return inputs[0].square().sum(-1, keepdim=True)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape) of codes (planes, N, ..., features); fixed point includes every saturation."""
        codes, backend = inputs[0], backend_of(inputs[0])
        if not self.state_bits:
            return Result(backend.square_sum(codes, self.trace, np.asarray(self.weight), dtype).unsqueeze(-1))
        limit = 2 ** (self.state_bits - 1) - 1
        y, clips = backend.square_sum_shifted(codes, self.trace, self.shares, self.fraction_bits, limit)
        return Result(y.unsqueeze(-1), clips.unsqueeze(-1) if bool(clips.any()) else None)

    @cached_property
    def shares(self) -> np.ndarray:
        """Right shift of each feature's share into units of the last bit of ``fraction_bits``; negative shifts left."""
        return np.asarray(self.shift) - self.fraction_bits

    def stepper(self, window: Window, sources: list[Window]):
        """The :class:`~processes.trace_product.stepper.SquareStepper` of this sum."""
        from processes.trace_product.stepper import SquareStepper

        return SquareStepper(self, window)
