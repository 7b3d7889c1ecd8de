"""A Process to test the runtime with: adds what arrives to what it is told to emit, and fails on demand."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import numpy as np

from processes.lava.model import both_precisions
from processes.lava.process import SpikingProcess
from processes.lava.record import Recording
from processes.operation import Window

SHAPE = (1, 3)


class RelayStepper:
    """Emits ``drive`` times the step's number, plus what arrived in the step; integers throughout."""

    def __init__(self, window: Window, drive: int, trouble: str, at: int) -> None:
        if trouble == "constructor":
            raise ValueError("no such weights")
        self.window, self.drive, self.trouble, self.at = window, drive, trouble, at
        self.samples = 0

    def reset(self) -> None:
        """Count the samples."""
        self.samples += 1

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """(1, 3) or None outside the window."""
        if t == self.at and self.trouble == "error":
            raise ZeroDivisionError("nothing to divide by")
        if t == self.at and self.trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if t == self.at and self.trouble == "slow" and self.samples == 2:
            time.sleep(600)
        if not self.window.start <= t < self.window.stop:
            return np.ones(SHAPE) if self.trouble == "untimely" else None
        own = np.array([[0, t, self.samples]]) * self.drive
        if messages[0] is None:
            return own if self.drive else None
        return messages[0] + own


class Relay(SpikingProcess, a_in="graded", a_out="graded"):
    """``a_in`` -> ``a_out``, graded."""

    def __init__(
        self,
        *,
        start: int,
        stop: int,
        period: int,
        drive: int = 0,
        trouble: str = "",
        at: int = 0,
        record: Recording | None = None,
        name: str | None = None,
    ) -> None:
        window = Window(start, stop)
        super().__init__(
            stepper=lambda sources: RelayStepper(window, drive, trouble, at),
            shapes={"a_in": SHAPE, "a_out": SHAPE},
            window=window,
            period=period,
            record={"a_out": record} if record else None,
            name=name,
        )


RelayFloat, RelayFixed = both_precisions(Relay)


def chain(length: int, period: int = 8, trouble: str = "", record: Path | None = None, samples: int = 1) -> list[Relay]:
    """Relays one behind the other; the first drives, the middle one makes the trouble, the last records."""
    relays = [
        Relay(
            start=2,
            stop=5,
            period=period,
            drive=int(i == 0),
            name=f"relay{i}",
            trouble=trouble if i == length // 2 else "",
            at=3,
            record=Recording(record, samples) if record and i == length - 1 else None,
        )
        for i in range(length)
    ]
    for a, b in itertools.pairwise(relays):
        a.a_out.connect(b.a_in)
    return relays
