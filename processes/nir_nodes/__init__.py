"""The standard nodes of NIR as they step through time, floating point and Loihi-style integers.

``maps.py`` has the nodes without a state of their own (weights, pooling, flattening) and Delay; ``neurons.py`` has the
neurons, each of which is one affine recurrence and a threshold. Signals of one step are arrays (samples, *shape), or
None for silence.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Node(Protocol):
    """One node of a graph running through time.

    Attributes:
        overflows: values that did not fit the chip's widths so far; always 0 in floating point.
    """

    overflows: int

    def reset(self) -> None:
        """Forget everything before a new batch of samples."""
        ...

    def step(self, x: np.ndarray | None) -> np.ndarray | None:
        """The output of this step of the input of this step, both (samples, *shape)."""
        ...
