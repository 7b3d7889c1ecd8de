"""Synapses: weights meet spikes. Each step they turn the spikes that arrive into currents.

    current_i(k) = trace_k * sum_j w_ij z_j(k)          z_j(k) in {-1, 0, +1} the spikes of step k
    current_i(0) additionally carries the bias, once per window

so that a window's currents sum to w x + b with x the decoded values. In fixed point w is a signed 8-bit mantissa
with one exponent per output row, the trace is an unsigned integer table, and the sum saturates at every step at the
state width (docs/design.md, Fixed point). The closed form uses one exact matrix product wherever a bound proves that no partial
sum can saturate, and steps through the window for the rows where it cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant, shared
from processes.backends.products import linear
from processes.backends.rows import Rows
from processes.backends.tables import Geometry
from processes.deferred import Deferred
from processes.operation import Operation, Result, Window
from processes.spikes import decode
from processes.synapse.exact import Clips, accumulate, accumulate_rows

F = torch.nn.functional


@dataclass(frozen=True, eq=False, kw_only=True)
class Synapse(Operation):
    """What dense, convolutional and one-to-one synapses share.

    Attributes:
        weight: real weights, which may be deferred (:mod:`processes.deferred`), or int8 mantissas.
        bias: per output row, real or int32 in units of the row's potential.
        trace: value of a spike at step k, real L_k or integer p_k, (T,).
        state_bits: width of the saturating sum; 0 in floating point.
        unit: real value of one unit of potential per output row: a power of two, times the scale of the neuron that
            reads it if that is the only reader; fixed point only.
    """

    weight: np.ndarray
    bias: np.ndarray
    trace: np.ndarray
    state_bits: int = 0
    unit: np.ndarray | None = None

    emits: ClassVar[str] = "currents"  # type: ignore[assignment]

    def window(self, sources: list[Window], ready: list[int]) -> Window:
        """Emits in the very steps in which spikes arrive."""
        return sources[0]

    def tensor(self, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Weights as a torch tensor, converted once for each type and device, or in the array's own memory.

        Deferred weights are computed anew on every call: kept, they would be the copy of the model that they save.
        """
        if isinstance(self.weight, Deferred):
            return torch.from_numpy(np.asarray(self.weight)).to(device, dtype)
        if (dtype, device) not in self._tensors:
            self._tensors[dtype, device] = (
                shared(self.weight).to(dtype) if device.type == "cpu" else constant(self.weight, device, dtype)
            )
        return self._tensors[dtype, device]

    @cached_property
    def _tensors(self) -> dict[tuple[torch.dtype, torch.device], torch.Tensor]:
        return {}

    @cached_property
    def rows(self) -> Rows:
        """Weights (out, in) of a matrix, prepared for exact sums."""
        return Rows(self.weight)

    def linear(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """w x without bias, (N, *source) -> (N, *shape)."""
        raise NotImplementedError

    def with_bias(self, y: torch.Tensor) -> torch.Tensor:
        """y + b, in y's own memory."""
        raise NotImplementedError

    def affine(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """w x + b."""
        return self.with_bias(self.linear(x, dtype))

    def ideal(self, *inputs: torch.Tensor) -> torch.Tensor:
        """w x + b in real units."""
        return self.affine(inputs[0], inputs[0].dtype)

    def closed_form(self, *inputs: torch.Tensor, dtype: torch.dtype = torch.float32) -> Result:
        """Potentials (N, *shape) after the window; integers below 2^24 are carried in float32."""
        codes = inputs[0]
        if not self.state_bits:
            return Result(self.affine(decode(codes, self.trace, dtype), dtype))
        return Result(*self.fixed(codes))

    def fixed(self, codes: torch.Tensor) -> tuple[torch.Tensor, Clips]:
        """Integer potentials (N, *shape), carried in float32, and how often each neuron was clipped."""
        raise NotImplementedError

    def reach(self, sizes: int, planes: int) -> int:
        """Bound of |potential| for outputs whose |weights| add up to ``sizes`` at most; ``planes`` spikes an input."""
        return sizes * int(np.sort(np.abs(self.trace))[-planes:].sum()) + int(np.abs(self.bias).max(initial=0))


@dataclass(frozen=True, eq=False, kw_only=True)
class DenseSynapse(Synapse):
    """y = W x + b along the last axis; weight (out, in), bias (out,), units (out,)."""

    name: ClassVar[str] = "dense"
    shapeless: ClassVar[tuple[str, ...]] = ("rows", "_tensors", "stored")

    @cached_property
    def stored(self) -> np.ndarray:
        """Number of stored synapses of each input feature, (in,); weights of zero are not stored."""
        return np.count_nonzero(self.weight, axis=0)

    def linear(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """x W^T."""
        return linear(x, self.tensor(dtype, x.device))

    def affine(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """x W^T + b in one product."""
        return linear(x, self.tensor(dtype, x.device), constant(self.bias, x.device, dtype))

    def with_bias(self, y: torch.Tensor) -> torch.Tensor:
        """y + b along the last axis."""
        return y.add_(constant(self.bias, y.device, y.dtype))

    def fixed(self, codes: torch.Tensor) -> tuple[torch.Tensor, Clips]:
        """Integer potentials and clips: one float32 product where a bound proves it exact, stepped rows elsewhere."""
        rows = codes.reshape(codes.shape[0], -1, codes.shape[-1])
        y, clips = accumulate_rows(rows, self.rows, self.bias, self.trace, self.state_bits)
        shape = (*codes.shape[1:-1], -1)
        return y.reshape(shape), None if clips is None else clips.reshape(shape)

    def norm(self, x: torch.Tensor) -> float:
        """The largest Euclidean norm of values x (N, *source) along the last axis."""
        return float(torch.linalg.vector_norm(x, dim=-1).max())

    def stepper(self, window: Window, sources: list[Window]):
        """A stepper that gathers the weight rows of each step's spikes."""
        from processes.synapse.stepper import DenseStepper

        return DenseStepper(self, window)


@dataclass(frozen=True, eq=False, kw_only=True)
class ConvSynapse(Synapse):
    """2-D convolution; weight (out, in/groups, kh, kw), bias (out,); sample (images, in, H, W)."""

    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1

    name: ClassVar[str] = "conv2d"

    @cached_property
    def rows(self) -> Rows:
        """Weights of flattened patches, (out, kh * kw * in)."""
        return Rows(self.weight.transpose(0, 2, 3, 1))

    def linear(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Convolution of x (N, images, in, H, W), without bias."""
        weight = self.tensor(dtype, x.device)
        return F.conv2d(x.flatten(0, 1), weight, None, *self.geometry).unflatten(0, x.shape[:2])

    @property
    def geometry(self) -> Geometry:
        """Stride, padding, dilation and groups, as kernels take them."""
        return Geometry(self.stride, self.padding, self.dilation, self.groups)

    def norm(self, x: torch.Tensor) -> float:
        """The largest Euclidean norm of the values that one output reads (its group's patch) of x (N, images, in, H, W)."""
        squares = x.flatten(0, 1).square().unflatten(1, (self.groups, -1)).sum(2)
        kernel = x.new_ones((self.groups, 1, *self.weight.shape[2:]))
        return float(F.conv2d(squares, kernel, None, *self.geometry).max().clamp(min=0).sqrt())

    def with_bias(self, y: torch.Tensor) -> torch.Tensor:
        """y + b along the channels."""
        return y.add_(constant(self.bias, y.device, y.dtype).reshape(-1, 1, 1))

    def fixed(self, codes: torch.Tensor) -> tuple[torch.Tensor, Clips]:
        """Integer potentials and clips: patches are rows of a product; with groups, one bound judges a whole sample."""
        if self.groups == 1:
            patches, pixels = self.patches(codes)
            y, clips = accumulate_rows(patches, self.rows, self.bias, self.trace, self.state_bits)
            clips = None if clips is None else _channels_first(clips, pixels)
            return _channels_first(y, pixels).contiguous(), clips

        def convolve(x: torch.Tensor, weight: np.ndarray) -> torch.Tensor:
            return backend_of(x).grouped(x.flatten(0, 1), weight, self.geometry).unflatten(0, x.shape[:2])

        return accumulate(
            codes,
            lambda x: convolve(x, self.weight),
            lambda x: convolve(x, np.abs(self.weight.astype(np.int16))),
            self.with_bias,
            self.trace,
            self.state_bits,
            self.reach(self.rows.largest_sum, len(codes)),
        )

    def patches(self, codes: torch.Tensor) -> tuple[torch.Tensor, tuple[int, ...]]:
        """Rows (planes, N * images * H' * W', kh * kw * in) of codes (planes, N, images, in, H, W); (N, images, H', W')."""
        (top, left), (down, right), (far_y, far_x) = self.padding, self.stride, self.dilation
        # channels side by side are copied together, ten times as fast as taps of one channel
        padded = F.pad(codes.permute(0, 1, 2, 4, 5, 3), (0, 0, left, left, top, top)).contiguous()
        high, wide = ((n - 1) * far + 1 for n, far in zip(self.weight.shape[2:], (far_y, far_x), strict=True))
        taps = padded.unfold(3, high, down).unfold(4, wide, right)[..., ::far_y, ::far_x]
        taps = taps.permute(0, 1, 2, 3, 4, 6, 7, 5)  # (planes, N, images, H', W', kh, kw, in)
        return taps.reshape(len(codes), -1, self.weight[0].size), tuple(taps.shape[1:5])

    def stepper(self, window: Window, sources: list[Window]):
        """A stepper that adds each spike's weights to the pixels whose kernel covers it."""
        from processes.synapse.stepper import ConvStepper

        return ConvStepper(self, window)


def _channels_first(rows: torch.Tensor, pixels: tuple[int, ...]) -> torch.Tensor:
    """(N * images * H * W, C) as (N, images, C, H, W)."""
    return rows.reshape(*pixels, -1).permute(0, 1, 4, 2, 3)


@dataclass(frozen=True, eq=False, kw_only=True)
class ScaleSynapse(Synapse):
    """One synapse per neuron: y = w * x + b, weight and bias of broadcast shapes, summed over the axes ``pool``.

    Without ``pool`` it lets a spiking branch join a residual stream; with ``pool`` it is a mean over tokens or pixels.
    """

    pool: tuple[int, ...] = ()

    name: ClassVar[str] = "scale"

    def linear(self, x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """w * x, summed over the axes ``pool``."""
        return self.pooled(x * self.tensor(dtype, x.device))

    def pooled(self, x):
        """Sum over the pooled axes of a sample, kept with length 1."""
        lead = x.ndim - len(self.shape)
        return x.sum(tuple(axis + lead for axis in self.pool), keepdims=True) if self.pool else x

    def with_bias(self, y: torch.Tensor) -> torch.Tensor:
        """y + b."""
        return y.add_(constant(self.bias, y.device, y.dtype))

    def fixed(self, codes: torch.Tensor) -> tuple[torch.Tensor, Clips]:
        """Integer potentials and clips of the products w * x, summed over the axes ``pool``."""
        together = math.prod(codes.shape[2:][axis] for axis in self.pool)
        return accumulate(
            codes,
            lambda x: self.linear(x, x.dtype),
            lambda x: self.pooled(x * self.tensor(x.dtype, x.device).abs()),
            self.with_bias,
            self.trace,
            self.state_bits,
            self.reach(together * self._largest, len(codes)),
        )

    @cached_property
    def _largest(self) -> int:
        """The largest magnitude of a weight."""
        return int(np.abs(self.weight.astype(np.int64)).max())

    def stepper(self, window: Window, sources: list[Window]):
        """A stepper that multiplies each step's spikes by their own weights."""
        from processes.synapse.stepper import ScaleStepper

        return ScaleStepper(self, window)
