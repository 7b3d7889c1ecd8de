"""The in-process stepper with faults: a message is changed before it is recorded and sent on, as a target's error would be."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

from evaluator import stepper
from evaluator.stepping import Group, Record, Recorder
from evaluator.target_run import TargetRun
from evaluator.timeline import Timeline
from processes.network import Network

Fault = Record
"""Called with (node, step, message); it may write into the message."""


def step_samples(network: Network, samples: np.ndarray, faults: dict[int, Fault] | None = None) -> TargetRun:
    """``stepper.run``; ``faults`` maps a sample's number to what goes wrong in it. Later nodes receive changed messages too."""
    if faults is None:
        return stepper.run(network, samples)
    numbers: Iterator[int] = iter(range(len(samples)))

    class Faulty(Recorder):
        def __init__(self, network: Network, times: Timeline) -> None:
            super().__init__(network, times)
            self.fault = faults.get(next(numbers))

        def __call__(self, name: str, t: int, message: np.ndarray) -> None:
            if self.fault is not None:
                self.fault(name, t, message)
            super().__call__(name, t, message)

    class EveryStep:
        """All nodes at each step, with every message as an array: what a fault can write into."""

        def __init__(self, network: Network, times: Timeline) -> None:
            self.network, self.times = network, times
            self.group = Group(network, times, list(network.nodes), [Network.INPUT], network.output)

        def sample(self, x: np.ndarray) -> Recorder:
            self.group.record = recorder = Faulty(self.network, self.times)
            for name, clips in self.group.sample(x)[1].items():
                recorder.count(name, clips)
            return recorder

    with patch.object(stepper, "NodeByNode", EveryStep):
        return stepper.run(network, samples)
