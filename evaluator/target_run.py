"""What a run of a network gives back, wherever it ran: the readout, every spike and potential, and what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Done = Callable[[int], None]


@dataclass
class TargetRun:
    """What a target computed.

    Attributes:
        outputs: readout potentials (N, *output shape), in the network's own units.
        values: per node, codes (N, planes, *shape) or potentials (N, *shape); empty if the target keeps none.
        seconds_per_sample: running time, without start-up.
        seconds_start: start-up.
        processes: operating-system processes at work.
        bytes: memory of all of them at the end, if measured.
        clips: per node, how often a potential was clipped at the state width, over all samples; empty if not counted.
        measured: what only this target tells (latency, energy of a simulated chip, ...), ready for report.json.
    """

    outputs: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    seconds_per_sample: float = 0.0
    seconds_start: float = 0.0
    processes: int = 1
    bytes: int | None = None
    clips: dict[str, int] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
