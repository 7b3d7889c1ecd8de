"""The result of running a network on any target: readout, spikes and potentials of every node, and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Done = Callable[[int], None]
"""Called with the number of a sample, from 0 on, when it is complete."""


@dataclass
class TargetRun:
    """The result of running a batch of N samples on a target.

    Attributes:
        outputs: readout potentials (N, *output shape), in the network's own units.
        values: per node, codes (N, planes, *shape) or potentials (N, *shape); empty if the target keeps none.
        seconds_per_sample: running time in seconds, without start-up.
        seconds_start: start-up time in seconds.
        processes: number of operating-system processes.
        bytes: memory of all of these processes at the end; None if not measured.
        clips: per node, how often a potential was clipped at the state width, over all samples; empty if not counted.
        measured: further figures of this target (latency, energy of a simulated chip, ...), ready for report.json.
    """

    outputs: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    seconds_per_sample: float = 0.0
    seconds_start: float = 0.0
    processes: int = 1
    bytes: int | None = None
    clips: dict[str, int] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
