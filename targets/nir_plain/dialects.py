"""How simulators read NIR's LIF: each has its own time step, decay, and meaning of r."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dialect:
    """The conventions of a simulator's importer.

    Attributes:
        dt: the time step that it assumes.
        tau: time constant that makes a LIF decay by beta in a step.
        gain: factor of the weights in front of a LIF.
        r: resistance.
        method: how it integrates.
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
