"""The Process through which samples enter: one graded message at the first step of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from processes.lava.model import both_precisions
from processes.lava.process import SpikingProcess
from processes.operation import Window


class SourceStepper:
    """Sends one of ``samples``, each (*shape), at a time; steppers of interleaved samples share the iterator."""

    def __init__(self, samples: Iterator[np.ndarray]) -> None:
        self.samples = samples

    def reset(self) -> None:
        """Take the next sample."""
        self.current = next(self.samples)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Send the sample at step 0, and nothing after it."""
        return self.current if t == 0 else None


class SourceProcess(SpikingProcess, y_out="graded"):
    """Sends samples (N, *shape), float64 or integer, as graded messages."""

    def __init__(self, samples: np.ndarray, period: int, name: str = "input") -> None:
        waiting = iter(samples)
        super().__init__(
            stepper=lambda sources: SourceStepper(waiting),
            shapes={"y_out": samples.shape[1:]},
            window=Window(0, 1),
            period=period,
            name=name,
        )


SourceFloat, SourceFixed = both_precisions(SourceProcess)
