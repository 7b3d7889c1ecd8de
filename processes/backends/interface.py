"""The interface of a backend of the closed form: functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from processes.backends.rows import Rows
from processes.backends.tables import Axes, ExpTables, FallingTables, FittedTables, Geometry, PhaseTables, RaceTables

Tensor = torch.Tensor


class Backend(Protocol):
    """Array functions behind the closed forms: tensors in, new tensors on the same device out.

    A backend is a module with functions of these names and signatures. Formulas stand in the docstrings of
    ``processes.backends.torch``, whose plain torch defines every function; in fixed point another backend gives the
    same numbers, and in floating point the same codes but for ties. Codes are (planes, N, *shape), int8 or int16: 0 for
    silence, +-(k+1) for a spike at step k. The size of a neuron's value is the sum of |trace_k| over its spikes.
    """

    def fire(self, v: Tensor, tables: PhaseTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of phase neurons with potentials v (N, *shape)."""
        ...

    def fire_falling(self, v: Tensor, factor: Tensor, tables: FallingTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of potentials v (N, *shape) over row factors (N, *shape without the last axis)."""
        ...

    def race(self, v: Tensor, tables: RaceTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of WOSS softmax for potentials v (N, *shape), rows along the last axis."""
        ...

    def decode(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Decoded values (N, *shape) of codes (planes, N, *shape): sums of sign * trace_k."""
        ...

    def decode_norms(self, codes: Tensor, trace: np.ndarray) -> tuple[Tensor, Tensor]:
        """Decoded values, float32 (N, *shape), and norms of their sizes along the last axis."""
        ...

    def decode_sizes(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Decoded values (N, *shape) of codes (planes, N, *shape), and their sizes (N, *shape)."""
        ...

    def row_sums(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Sums, along the last axis, of the decoded values of codes (planes, N, *shape)."""
        ...

    def linear(self, codes: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> tuple[Tensor, Tensor]:
        """Potentials W x + b (R, out), float32, of values x of codes (planes, R, in), and norms (R,) of x's sizes."""
        ...

    def one_sided(self, codes: Tensor, y: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> Tensor:
        """For each row, a bound on the sum of the positive, and of the negative, terms of any output y, (R,)."""
        ...

    def may_clip(self, y: Tensor, norms: Tensor, factor: float, offset: float, limit: int) -> Tensor:
        """Indices of the rows of potentials y (R, n), of norms (R,), of which one may have been clipped on its way."""
        ...

    def grouped(self, x: Tensor, weight: np.ndarray, geometry: Geometry) -> Tensor:
        """Grouped convolution (N, O, H', W') of integers x (N, C, H, W) with integer weights, in the type of x."""
        ...

    def step_rows(
        self, codes: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Potentials float32 and clips int16, (R, out) each, of codes (planes, R, in); sums saturate at every step."""
        ...

    def step_pairs(
        self, a: Tensor, b: Tensor, unsure: Tensor, bias: Tensor, traces: np.ndarray, delay: int, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Potentials and clips, int64 (n,) each, of the pairs of rows of a product for which ``unsure`` holds."""
        ...

    def square_sum(self, codes: Tensor, trace: np.ndarray, weight: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Weighted sums (N, ...), along the last axis, of the squared values of codes (planes, N, ..., D)."""
        ...

    def square_sum_shifted(
        self, codes: Tensor, trace: np.ndarray, shift: np.ndarray, fraction: int, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Saturating sums along the last axis of shifted squares of codes (planes, N, ..., D), and clips, (N, ...)."""
        ...

    def add_up(
        self, operands: Sequence[Tensor], factors: np.ndarray, bias: np.ndarray, axes: Axes, limit: int
    ) -> tuple[Tensor, Tensor | None]:
        """Sums, int32, of a bias (A, D) and truncated products of operands and factors (operands, A, D); and clips."""
        ...

    def centre(self, v: Tensor, limit: int) -> tuple[Tensor, Tensor | None]:
        """v minus its mean over the last axis, int32, clipped to +-limit, and what was clipped."""
        ...

    def fire_fitted(self, v: Tensor, tables: FittedTables) -> Tensor:
        """Codes (K, N, *shape) of fitted neurons with potentials v (N, *shape)."""
        ...

    def fire_exp(self, v: Tensor, tables: ExpTables, allowed: Tensor) -> Tensor:
        """Codes (K, N, *shape) of SI-exp for rows v (N, *shape) along the last axis, of keys that are ``allowed``."""
        ...

    def spelled(self, codes: Tensor, output: np.ndarray, digits: int) -> Tensor:
        """Exponentials (...), float64 or int64, that the codes (planes, ...) of SI-exp stand for."""
        ...

    def fire_digits(self, start: Tensor, total: Tensor, steps: int) -> Tensor:
        """Codes (T, ..., D): the binary digits of start (..., D) / total (..., 1), a spike for each 1."""
        ...

    def fire_train(self, start: Tensor, weight: Tensor, total: Tensor, steps: int) -> Tensor:
        """Codes (T, ..., D): v begins at ``start``, adds weight (..., D) each step, and fires at multiples of total."""
        ...

    def fire_rate(self, v: Tensor, steps: int, signed: bool) -> Tensor:
        """Codes (T, N, *shape) of rate-coded neurons with potentials v (N, *shape) in units of the threshold."""
        ...
