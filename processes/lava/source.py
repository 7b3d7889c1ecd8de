"""Where samples enter: one graded message at the first step of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from processes.lava.model import both_precisions
from processes.lava.process import SpikingProcess
from processes.operation import Window


class SourceStepper:
    """Hands out the next of ``samples``, each of (*shape), which it may share with others like it."""

    def __init__(self, samples: Iterator[np.ndarray]) -> None:
        self.samples = samples

    def reset(self) -> None:
        """The next sample."""
        self.current = next(self.samples)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """The sample at its first step."""
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
