"""One-spike phase code: a value is the time of a spike.

Levels L_k = B^-k and midpoints m_k = (L_k + L_{k+1}) / 2 for k = 0 .. T-1. A value a with scale s fires at
the smallest k with |a|/s >= m_k, carrying sign(a), and decodes to sign * s * L_k; below m_{T-1} it is silent.
Source: SpikedAttention, one-spike phase coding; the midpoints make decoding unbiased to first order.

Spikes are passed around as *codes*: integer arrays (planes, N, *shape), 0 for silence and +-(k+1) for a spike
at step k with that sign; plane p holds the p-th spike of the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from processes.errors import DeployError


@dataclass(frozen=True)
class PhaseCode:
    """Phase code of base B in (1, 2] and a window of T >= 2 steps.

    Raises:
        DeployError: the base or the number of steps is outside its range.
    """

    base: float
    steps: int

    def __post_init__(self) -> None:
        if not 1 < self.base <= 2:
            raise DeployError(f"base {self.base} is outside (1, 2]; try --base 1.15 for 40 steps, 1.4 for 16")
        if self.steps < 2:
            raise DeployError(f"{self.steps} time steps cannot hold a phase code; use --timesteps 2 or more")

    @property
    def levels(self) -> np.ndarray:
        """L_k = B^-k, float64 (T,)."""
        return float(self.base) ** -np.arange(self.steps)

    @property
    def midpoints(self) -> np.ndarray:
        """m_k = (L_k + L_{k+1}) / 2, float64 (T,)."""
        return self.levels * (1 + 1 / self.base) / 2

    def trace(self, bits: int) -> np.ndarray:
        """Integer trace of ``bits`` unsigned bits, p_k = round((2^bits - 1) B^-k), int32 (T,)."""
        return self.trace_from(2**bits - 1)

    def trace_from(self, first: int) -> np.ndarray:
        """Integer trace of first value p_0, p_k = round(p_0 B^-k), int32 (T,)."""
        return np.rint(first * self.levels).astype(np.int32)


UNCODED = PhaseCode(base=2.0, steps=2)
"""Placeholder code of neurons in a lowered network, which never fires; calibration replaces it."""


@dataclass(frozen=True, eq=False)
class StepCode:
    """Code given by its levels: a spike at step k of any neuron is worth levels_k, float64 (T,), none above 1."""

    levels: np.ndarray

    @property
    def steps(self) -> int:
        """T, the steps of the window."""
        return len(self.levels)

    def trace(self, bits: int) -> np.ndarray:
        """Integer trace of ``bits`` unsigned bits, p_k = round((2^bits - 1) levels_k), int32 (T,)."""
        return self.trace_from(2**bits - 1)

    def trace_from(self, first: int) -> np.ndarray:
        """Integer trace p_k = round(first * levels_k), int32 (T,)."""
        return np.rint(first * self.levels).astype(np.int32)


def side_by_side(traces: Sequence[np.ndarray]) -> np.ndarray:
    """Traces of several operands as one array (operands, longest T), zero after the last step of a shorter one."""
    longest = max(map(len, traces))
    return np.stack([np.pad(trace, (0, longest - len(trace))) for trace in traces])


def code_dtype(steps: int) -> type[np.signedinteger]:
    """Narrowest integer type that holds the codes +-(k+1), k < steps: int8 below 128 steps, else int16."""
    return np.int8 if steps < 128 else np.int16
