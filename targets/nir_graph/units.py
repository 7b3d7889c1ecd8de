"""Units, decays and rounding errors of networks that are discretised by the peaks of their floating-point runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from processes.chips import LOIHI2
from processes.fixed import magnitude_lost

CHIP = LOIHI2
HEADROOM = 2.0
"""Factor by which a signal may exceed its largest value in floating point before it saturates."""
DECAY = 2**CHIP.decay_bits
"""Units of decay constants per 1."""
ALIGN = 2**CHIP.align_bits
"""Units of potential per unit of weight and of threshold."""
NEARLY = 1e-4
"""Tolerance, in units of decay, for floating-point values just below a whole number of units."""


@dataclass(frozen=True)
class Rounding:
    """The largest relative error that discretisation made in one parameter of one node.

    ``error`` is relative to the largest value; ``lost`` is the share of magnitude that became 0
    (:func:`processes.fixed.magnitude_lost`).
    """

    node: str
    parameter: str
    error: float
    lost: float = 0.0

    @classmethod
    def of(cls, node: str, parameter: str, got: Any, wanted: Any) -> Rounding:
        """Compare integers ``got`` with the real numbers ``wanted`` that they stand for, both in the same units."""
        got, wanted = np.asarray(got), np.asarray(wanted, np.float64)
        largest = float(np.abs(wanted).max(initial=0)) or 1.0
        error = float(np.abs(got - wanted).max(initial=0)) / largest
        return cls(node, parameter, error, magnitude_lost(*np.broadcast_arrays(wanted, got)))


def note(errors: list[Rounding], node: str, parameter: str, got: Any, wanted: Any) -> None:
    """Append to ``errors`` the rounding of ``got`` for ``wanted``, unless all of ``wanted`` is zero."""
    if np.any(wanted):
        errors.append(Rounding.of(node, parameter, got, wanted))


def finest_unit(reach: float, bits: int) -> float:
    """The smallest power of two u for which HEADROOM * reach / u fits ``bits`` signed bits; 1 if ``reach`` is 0."""
    return 2.0 ** math.ceil(math.log2(HEADROOM * reach / (2 ** (bits - 1) - 1))) if reach > 0 else 1.0


def input_unit(x: np.ndarray) -> float:
    """Unit of an input: 1 if all its values are integers below 2^15 in magnitude, else :func:`finest_unit`."""
    reach = float(np.abs(x).max(initial=0))
    return 1.0 if reach < 2**15 and (x == np.rint(x)).all() else finest_unit(reach, CHIP.graded_bits)


def decay_of(kept: Any) -> np.ndarray:
    """Decay constant, in units of 2^-12, of a state that keeps the share ``kept`` in a step; rounded down, int64."""
    return np.floor(DECAY * (1 - np.asarray(kept, np.float64)) + NEARLY).astype(np.int64)
