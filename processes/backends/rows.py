"""Integer weights of a matrix, or of the patches of a convolution, prepared once for exact sums."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch

from processes.backends.constants import constant, shared
from processes.batches import slices

TOGETHER = 2**22
"""Weights whose magnitudes are held as int32 at a time: all of a language model's last layer would take gigabytes."""
MARGIN = 1 + 1e-3
"""Factor for the float32 rounding of the bounds themselves, far above 2^-24 times any row length."""


class Rows:
    """Weight mantissas (out, in) of an int8 array, whose axes after the first are flattened, and bounds of its rows.

    Attributes:
        source: the array.
        weight: int8 (out, in).
        reach: a bound on the Euclidean norm of every row.
        largest_sum: largest sum of the magnitudes of a row.
    """

    def __init__(self, source: np.ndarray) -> None:
        self.source = source
        self.weight = np.ascontiguousarray(source.reshape(len(source), -1))
        self._matrices: dict[torch.device, torch.Tensor] = {}
        squares = sums = 0
        for part in slices(len(self.weight), max(1, TOGETHER // self.weight.shape[1])):
            sizes = np.abs(self.weight[part].astype(np.int32))
            sums = max(sums, int(sizes.sum(1, dtype=np.int64).max()))
            squares = max(squares, int((sizes**2).sum(1, dtype=np.int64).max()))
        self.reach, self.largest_sum = math.sqrt(squares) * MARGIN, sums

    def matrix(self, device: torch.device) -> torch.Tensor:
        """Weights as float32 (out, in) on a device, converted once."""
        if device not in self._matrices:
            self._matrices[device] = constant(self.weight, device, torch.float32)
        return self._matrices[device]

    @cached_property
    def fits_bytes(self) -> bool:
        """Whether no weight is -128, so that all magnitudes fit int8."""
        return int(self.weight.min(initial=0)) > -128

    @cached_property
    def transposed(self) -> torch.Tensor:
        """Weights (in, out), int8 on the CPU, a view of the weights' own memory."""
        return shared(self.weight).T

    @cached_property
    def magnitudes(self) -> torch.Tensor:
        """Magnitudes of the weights (in, out), int8 on the CPU; valid only where :attr:`fits_bytes` holds."""
        return self.transposed.abs()

    @cached_property
    def signed(self) -> np.ndarray:
        """For each input its weights, then their negatives: int8 (2 in, out)."""
        return np.stack([self.weight.T, -self.weight.T], 1).reshape(-1, len(self.weight))
