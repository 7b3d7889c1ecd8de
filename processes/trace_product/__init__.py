"""Trace-driven products: two spike trains multiplied by spikes and traces alone.

A global trace p_k = L_k decays by B at each step; each operand has its own, as it has its own window and may have its own
B. A neuron copies it when it spikes: its local trace r. At step k the product neuron receives

    sum_d [ a_d(k) p_k r_b,d  +  r_a,d b_d(k) p_k  +  (both at k) a_d b_d p_k^2 ]

with r taken before the step's copies; over the window this sums to sum_d x_a,d x_b,d, the product of the decoded values.
Local traces are held until the product is complete, so an operand may fire in an earlier window (V before A).
Source: SpikedAttention, trace-driven matrix multiplication. In fixed point the trace is
round((2^b - 1) B^-k) with b = floor((23 - log2 L) / 2), L the length of the sum, so no product can saturate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from processes import kernels
from processes.operation import Operation, Window
from processes.spikes import as_numpy, decode


@dataclass(eq=False, kw_only=True)
class TraceProduct(Operation):
    """Matrix product over the last axis of a and the last (``transpose_b``) or second-last axis of b, plus a bias.

    Attributes:
        traces: L_k of each operand's code, or the integer product trace of it, (2, T).
        bias: broadcast shape of the output, in the product's own units (attention bias); a single zero if none.
        state_bits: width of the potential; 0 in floating point.
    """

    traces: np.ndarray
    transpose_b: bool
    bias: np.ndarray
    state_bits: int = 0

    name: ClassVar[str] = "trace_product"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]
    dtype: ClassVar[torch.dtype] = torch.float32

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Something arrives only once both operands have begun."""
        return Window(max(s.start for s in sources), max(s.stop for s in sources))

    def product(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a b^T or a b."""
        return torch.matmul(a, b.transpose(-1, -2) if self.transpose_b else b)

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The product in real units."""
        return self.product(*inputs) + torch.as_tensor(self.bias, dtype=inputs[0].dtype)

    def closed_form(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Potentials (N, *shape); integers are exact in float32 because the trace's width keeps sums below 2^23."""
        dtype = torch.float32 if self.state_bits else self.dtype
        y = self.product(*(decode(codes, trace, dtype) for codes, trace in zip(inputs, self.traces, strict=True)))
        return y if not self.bias.any() else y + torch.as_tensor(self.bias, dtype=y.dtype)

    def stepper(self, window: Window, sources: list[Window]):
        """Sparse spikes times held traces."""
        from processes.trace_product.stepper import ProductStepper

        return ProductStepper(self, window, sources)


@dataclass(eq=False, kw_only=True)
class SquareSum(Operation):
    """Trace-driven self product: sum of squares over the last axis, shape (..., 1). Drives LayerNorm's threshold.

    A spike at k adds 2 r z p_k + p_k^2, times ``weight`` (real, broadcast shape: the squared scale of each feature's
    code) or shifted right by ``shift`` (integer, twice the exponent of the feature's power-of-two scale).
    """

    trace: np.ndarray
    weight: np.ndarray | None = None
    shift: np.ndarray | None = None
    state_bits: int = 0

    name: ClassVar[str] = "square_sum"
    emits: ClassVar[str] = "currents"  # type: ignore[assignment]
    dtype: ClassVar[torch.dtype] = torch.float32

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Emits when its operand spikes."""
        return sources[0]

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """sum x^2 over the last axis."""
        return inputs[0].square().sum(-1, keepdim=True)

    def closed_form(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Potentials (N, *shape)."""
        codes = inputs[0]
        rows = as_numpy(codes).reshape(len(codes), -1, codes.shape[-1])
        features = rows.shape[-1]
        if self.state_bits:
            out = torch.empty(rows.shape[1], dtype=torch.int32)
            shift = np.broadcast_to(np.asarray(self.shift).reshape(-1), features).astype(np.int64)
            kernels.square_sum_shifted(rows, kernels.decode_table(self.trace, np.int64), shift, out.numpy())
        else:
            out = torch.empty(rows.shape[1], dtype=self.dtype)
            dtype = out.numpy().dtype
            weight = np.broadcast_to(np.asarray(self.weight).reshape(-1), features).astype(dtype)
            kernels.square_sum(rows, kernels.decode_table(self.trace, dtype), weight, out.numpy())
        return out.reshape(*codes.shape[1:-1], 1)

    def stepper(self, window: Window, sources: list[Window]):
        """One addition per spike."""
        from processes.trace_product.stepper import SquareStepper

        return SquareStepper(self, window)
