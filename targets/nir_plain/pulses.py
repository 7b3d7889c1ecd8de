"""Pulses: inputs of a stage's neurons at fixed time steps, independent of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pulse:
    """A pulse, one line of the input into one stage.

    Attributes:
        steps: time steps at which it comes, counted from the start of the stage's integration.
        amount: (rows,), added to each neuron's potential.
        signed: whether neurons for negative values receive the negated amount.
    """

    steps: tuple[int, ...]
    amount: np.ndarray
    signed: bool = False


@dataclass(frozen=True)
class Neurons:
    """The neurons of a stage: u <- beta u + I, a spike if u > threshold.

    Attributes:
        threshold: in the neurons' own units.
        weight: for decoded values, of the stage's shape; neurons for negative values have its negative.
        pulses: of the stage, by name.
    """

    threshold: float
    weight: np.ndarray
    pulses: Mapping[str, Pulse]
