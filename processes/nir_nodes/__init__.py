"""Steppers of NIR's standard nodes, in floating point and in Loihi-style integers.

``maps.py`` holds the nodes without a state (weights, pooling, thresholds) and Delay; ``neurons.py`` the neurons, each
an affine recurrence and a threshold. Signals of one time step are arrays (samples, *shape), or None for silence.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Node(Protocol):
    """Protocol of a node of a NIR graph that is stepped through time.

    Attributes:
        overflows: values that exceeded the chip's widths since the last reset; always 0 in floating point.
    """

    overflows: int

    def reset(self) -> None:
        """Clear the state and the overflow count before a new batch of samples."""
        ...

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """Take one time step: the output for input ``x``, each (samples, *shape) or None for silence."""
        ...
