"""What a target is: something that runs a converted network, and says whether it can here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from processes.network import Network

Done = Callable[[int], None]


@dataclass(frozen=True)
class Availability:
    """Whether a target can run here; if not, why, and what would make it so."""

    available: bool
    reason: str = ""
    remedy: str = ""


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
    """

    outputs: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    seconds_per_sample: float = 0.0
    seconds_start: float = 0.0
    processes: int = 1
    bytes: int | None = None


class Target(Protocol):
    """One place where networks run."""

    name: str
    about: str

    def availability(self) -> Availability:
        """Look without side effects."""
        ...

    def run(self, network: Network, samples: np.ndarray, granularity: str, done: Done | None) -> TargetRun:
        """Run samples (N, *input) in real units."""
        ...
