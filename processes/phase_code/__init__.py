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
    """Base B in (1, 2] and window of T >= 2 steps."""

    base: float
    steps: int

    def __post_init__(self) -> None:
        if not 1 < self.base <= 2:
            raise DeployError(f"base {self.base} is outside (1, 2]; try --base 1.15 for 40 steps, 1.4 for 16")
        if self.steps < 2:
            raise DeployError(f"{self.steps} time steps cannot hold a phase code; use --timesteps 2 or more")

    @property
    def levels(self) -> np.ndarray:
        """L_k, float64 (T,)."""
        return float(self.base) ** -np.arange(self.steps)

    @property
    def midpoints(self) -> np.ndarray:
        """m_k, float64 (T,)."""
        return self.levels * (1 + 1 / self.base) / 2

    def trace(self, bits: int) -> np.ndarray:
        """Integer trace of a width, p_k = round((2^bits - 1) B^-k), int32 (T,)."""
        return self.trace_from(2**bits - 1)

    def trace_from(self, first: int) -> np.ndarray:
        """Integer trace p_k = round(p_0 B^-k), int32 (T,)."""
        return np.rint(first * self.levels).astype(np.int32)


UNCODED = PhaseCode(base=2.0, steps=2)
"""The shortest phase code. Neurons of a lowered network have it until calibration chooses theirs; no lowered network fires."""


@dataclass(frozen=True, eq=False)
class StepCode:
    """Any other code in which a step's spike is worth the same whoever sends it: ``levels`` float64 (T,), none above 1."""

    levels: np.ndarray

    @property
    def steps(self) -> int:
        """T."""
        return len(self.levels)

    def trace(self, bits: int) -> np.ndarray:
        """round((2^bits - 1) level), int32 (T,)."""
        return self.trace_from(2**bits - 1)

    def trace_from(self, first: int) -> np.ndarray:
        """round(first level), int32 (T,)."""
        return np.rint(first * self.levels).astype(np.int32)


def side_by_side(traces: Sequence[np.ndarray]) -> np.ndarray:
    """Traces of several operands, (operands, longest T); one of a shorter window is 0 after its last step."""
    longest = max(map(len, traces))
    return np.stack([np.pad(trace, (0, longest - len(trace))) for trace in traces])


def code_dtype(steps: int) -> type[np.signedinteger]:
    """Narrowest integer that holds +-(k+1) for k < steps."""
    return np.int8 if steps < 128 else np.int16
