"""What a target is: something that runs a converted network, and says whether it can here.

Nothing here imports PyTorch, a simulator or an SDK, so that listing targets is quick and free of side effects.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Target:
    """One place where networks run, as a row of the registry.

    Attributes:
        name: how a user asks for it.
        about: what it is, in words.
        availability: looks whether it can run here, without importing it.
        where: "module:function" that runs a network, imported when it is asked to; see :meth:`run`.
        standard_only: whether it runs standard NIR graphs (`deploy run FILE.nir`) and no converted networks.
    """

    name: str
    about: str
    availability: Callable[[], Availability]
    where: str
    standard_only: bool = False

    def run(self, network: Network, samples: np.ndarray, granularity: str, done: Done | None = None) -> TargetRun:
        """Run samples (N, *input) in real units; ``granularity`` says how many Lava Processes, if it is Lava.

        Raises:
            DeployError: the network or the machine cannot run there; the message says why.
        """
        module, function = self.where.split(":")
        return getattr(importlib.import_module(module), function)(network, samples, granularity, done)
