"""What a target is: something that runs a converted network, and says whether it can here.

Nothing here imports PyTorch, a simulator or an SDK, so that listing targets is quick and free of side effects.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processes.errors import DeployError

if TYPE_CHECKING:
    import numpy as np

    from evaluator.target_run import Done, TargetRun
    from processes.network import Network


@dataclass(frozen=True)
class Availability:
    """Whether a target can run here; if not, why, and what would make it so."""

    available: bool
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Target:
    """One place where networks run, as a row of the registry.

    Attributes:
        name: how a user asks for it.
        about: what it is, in words.
        availability: looks whether it can run here, without importing it.
        where: "module:function" that runs a network, imported when it is asked to; see :meth:`run`.
        standard_only: whether it runs standard NIR graphs (`deploy run FILE.nir`) and no converted networks.
        steps: whether it steps a converted network through time, so that its run says something about the closed form.
        overlaps: whether samples can follow each other there before the answer to the one before is there.
    """

    name: str
    about: str
    availability: Callable[[], Availability]
    where: str
    standard_only: bool = False
    steps: bool = False
    overlaps: bool = False

    def run(
        self, network: Network, samples: np.ndarray, granularity: str, done: Done | None = None,
        state_sets: int | None = None,
    ) -> TargetRun:  # fmt: skip
        """Run samples (N, *input) in real units; ``granularity`` says how many Lava Processes, if it is Lava.

        ``state_sets``: samples overlap, and nodes hold up to so many at once; None for one sample after the other.

        Raises:
            DeployError: the network or the machine cannot run there, or samples cannot overlap; the message says why.
        """
        if state_sets is not None:
            self.check_overlap()
        module, function = self.where.split(":")
        run = getattr(importlib.import_module(module), function)
        more = {} if state_sets is None else {"state_sets": state_sets}
        return run(network, samples, granularity, done, **more)

    def check_overlap(self) -> None:
        """Raise DeployError if samples cannot overlap there."""
        if not self.overlaps:
            raise DeployError(
                f"--overlap: target {self.name} runs one sample after the other; give --target stepper or lava-sim"
            )
