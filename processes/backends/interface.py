"""What a backend of the closed form is: these functions of tensors, and nothing else."""

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

    A module whose functions have these names and signatures is one. Formulas stand in the docstrings of
    ``processes.backends.torch``, whose plain torch defines every function; in fixed point another backend gives the same
    numbers, and in floating point the same codes but for ties.
    """

    def fire(self, v: Tensor, tables: PhaseTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of phase neurons with potentials v (N, *shape)."""
        ...

    def fire_falling(self, v: Tensor, factor: Tensor, tables: FallingTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of potentials v (N, *shape) divided by factors (N, *shape without its last axis)."""
        ...

    def race(self, v: Tensor, tables: RaceTables, spikes: int) -> Tensor:
        """Codes (spikes, N, *shape) of softmax's rows of potentials v (N, *shape)."""
        ...

    def decode(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Values (N, *shape) of codes (planes, N, *shape)."""
        ...

    def decode_sizes(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Values (N, *shape) of codes (planes, N, *shape), and sums of the values' magnitudes."""
        ...

    def row_sums(self, codes: Tensor, trace: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Sums of the values of codes (planes, N, *shape) along the last axis."""
        ...

    def linear(self, codes: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> tuple[Tensor, Tensor]:
        """Potentials W x + b (R, out), float32, of codes (planes, R, in), and norms of the sizes of x, (R,)."""
        ...

    def one_sided(self, codes: Tensor, y: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> Tensor:
        """For each row, at least the largest sum of positive, or of negative, terms of any output y, (R,)."""
        ...

    def grouped(self, x: Tensor, weight: np.ndarray, geometry: Geometry) -> Tensor:
        """Grouped convolutions (N, O, H', W') of integers x (N, C, H, W) with integer weights, of the type of x."""
        ...

    def step_rows(
        self, codes: Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Potentials float32 and clips int16, (R, out) each, of codes (planes, R, in) whose sum saturates at every step."""
        ...

    def step_pairs(
        self, a: Tensor, b: Tensor, unsure: Tensor, bias: Tensor, traces: np.ndarray, delay: int, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Potentials and clips, int64 (n,) each, of those pairs of rows of a product that are unsure."""
        ...

    def square_sum(self, codes: Tensor, trace: np.ndarray, weight: np.ndarray, dtype: torch.dtype) -> Tensor:
        """Weighted sums (N, ...) of squares along the last axis of codes (planes, N, ..., D)."""
        ...

    def square_sum_shifted(
        self, codes: Tensor, trace: np.ndarray, shift: np.ndarray, fraction: int, limit: int
    ) -> tuple[Tensor, Tensor]:
        """Saturating integer sums (N, ...) of shifted squares along the last axis of codes (planes, N, ..., D), and clips."""
        ...

    def add_up(
        self, operands: Sequence[Tensor], factors: np.ndarray, bias: np.ndarray, axes: Axes, limit: int
    ) -> tuple[Tensor, Tensor | None]:
        """int32 sums of a bias (A, D) and the integer parts of operands times factors (operands, A, D), and which clipped."""
        ...

    def centre(self, v: Tensor, limit: int) -> tuple[Tensor, Tensor | None]:
        """int32 v minus its mean over the last axis, clipped to +-limit, and which were clipped."""
        ...

    def fire_fitted(self, v: Tensor, tables: FittedTables) -> Tensor:
        """Codes (K, N, *shape) of fitted neurons with potentials v (N, *shape)."""
        ...

    def fire_exp(self, v: Tensor, tables: ExpTables, allowed: Tensor) -> Tensor:
        """Codes (K, N, *shape) of fitted exponentials of rows v (N, *shape), of keys that are allowed."""
        ...

    def spelled(self, codes: Tensor, output: np.ndarray, digits: int) -> Tensor:
        """Exponentials (...) that codes (planes, ...) spell, float64 or int64."""
        ...

    def fire_digits(self, start: Tensor, total: Tensor, steps: int) -> Tensor:
        """Codes (T, ..., D): binary digits of start (..., D) over total (..., 1)."""
        ...

    def fire_train(self, start: Tensor, weight: Tensor, total: Tensor, steps: int) -> Tensor:
        """Codes (N, ..., D) of a regular train of N spikes of a weight (..., D) that starts at start, over total (..., 1)."""
        ...

    def fire_rate(self, v: Tensor, steps: int, signed: bool) -> Tensor:
        """Codes (T, N, *shape) of integrate-and-fire neurons with potentials v (N, *shape) in units of the threshold."""
        ...
