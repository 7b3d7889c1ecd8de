"""Pulses: what a stage's neurons receive at stated steps, whatever the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pulse:
    """One line of the input into one stage.

    Attributes:
        steps: when, counted from the start of the stage's integration.
        amount: (rows,) what each neuron receives.
        signed: whether neurons for negative values receive the opposite.
    """

    steps: tuple[int, ...]
    amount: np.ndarray
    signed: bool = False


@dataclass(frozen=True)
class Neurons:
    """A stage's neurons: u <- beta u + I, a spike if u > threshold.

    Attributes:
        threshold: in their own units.
        weight: of the decoded values, shaped as the stage's; of a neuron for a, the one for -a has the opposite.
        pulses: by name.
    """

    threshold: float
    weight: np.ndarray
    pulses: Mapping[str, Pulse]
