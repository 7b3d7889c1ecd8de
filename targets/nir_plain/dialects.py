"""Dialects of NIR's LIF: each simulator has its own time step, decay, and interpretation of r."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dialect:
    """The conventions of a simulator's importer; beta is the factor by which a LIF's potential decays in a step.

    Attributes:
        dt: the time step that the simulator assumes, in the unit of tau.
        tau: beta -> time constant to write.
        gain: beta -> factor to multiply into the weights in front of a LIF.
        r: beta -> resistance to write.
        method: how it integrates: Euler's method, or the exact solution.
        zero: whether spikes can set the potential to zero; else they subtract the threshold.
        per_channel: whether parameters are written per channel (C, 1, 1), since it cannot import them per pixel.
    """

    dt: float
    tau: Callable[[float], float]
    gain: Callable[[float], float]
    r: Callable[[float], float]
    method: Literal["euler", "exact"] = "euler"
    zero: bool = True
    per_channel: bool = False


DIALECTS: dict[str, Dialect] = {
    # Euler steps of 0.1 ms with r = tau / dt, so that inputs are not scaled
    "snntorch": Dialect(1e-4, lambda b: 1e-4 / (1 - b), lambda b: 1.0, lambda b: 1 / (1 - b)),
    # Euler steps of 1 ms; r is ignored and taken as 1
    "norse": Dialect(1e-3, lambda b: 1e-3 / (1 - b), lambda b: 1 / (1 - b), lambda b: 1.0),
    # v <- v + x r dt / tau - v dt / tau
    "spikingjelly": Dialect(1e-4, lambda b: 1e-4 / (1 - b), lambda b: 1.0, lambda b: 1 / (1 - b)),
    # tau in steps, exponential decay, inputs not scaled, resets subtract
    "sinabs": Dialect(
        1.0, lambda b: -1 / math.log(b), lambda b: 1.0, lambda b: 1 / (1 - b), "exact", zero=False, per_channel=True
    ),
}
