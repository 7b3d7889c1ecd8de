"""Units, decays and rounding errors of networks that are discretised from floating-point runs of themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from processes.chips import LOIHI2
from processes.fixed import magnitude_lost

CHIP = LOIHI2
HEADROOM = 2.0
"""What a signal may exceed the largest value by that it reached in floating point."""
DECAY = 2**CHIP.decay_bits
ALIGN = 2**CHIP.align_bits
NEARLY = 1e-4
"""Part of a unit of decay by which floating point may miss a whole number of them."""


@dataclass(frozen=True)
class Rounding:
    """The largest relative error that discretisation made in one parameter of one node.

    ``lost``: how much of its magnitude became 0 (:func:`processes.fixed.magnitude_lost`).
    """

    node: str
    parameter: str
    error: float
    lost: float = 0.0

    @classmethod
    def of(cls, node: str, parameter: str, got: Any, wanted: Any) -> Rounding:
        """Of integers ``got`` that stand for real numbers ``wanted``, in the same units."""
        got, wanted = np.asarray(got), np.asarray(wanted, np.float64)
        largest = float(np.abs(wanted).max(initial=0)) or 1.0
        error = float(np.abs(got - wanted).max(initial=0)) / largest
        return cls(node, parameter, error, magnitude_lost(*np.broadcast_arrays(wanted, got)))


def note(errors: list[Rounding], node: str, parameter: str, got: Any, wanted: Any) -> None:
    """Put into ``errors`` how far integers are from what they stand for; zeros alone are nothing to round."""
    if np.any(wanted):
        errors.append(Rounding.of(node, parameter, got, wanted))


def finest_unit(reach: float, bits: int) -> float:
    """The smallest power of two u for which HEADROOM * reach / u fits ``bits`` signed bits; 1 of a signal that stays 0."""
    return 2.0 ** math.ceil(math.log2(HEADROOM * reach / (2 ** (bits - 1) - 1))) if reach > 0 else 1.0


def input_unit(x: np.ndarray) -> float:
    """1 for integers of 16 bits, else the finest power of two."""
    reach = float(np.abs(x).max(initial=0))
    return 1.0 if reach < 2**15 and (x == np.rint(x)).all() else finest_unit(reach, CHIP.graded_bits)


def decay_of(kept: Any) -> np.ndarray:
    """Units of 2^-12 that a state loses in a step which keeps the share ``kept``: down, since the product is cut, too."""
    return np.floor(DECAY * (1 - np.asarray(kept, np.float64)) + NEARLY).astype(np.int64)
