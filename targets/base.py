"""The interface of a target: it runs a converted network, and says whether it is available on this machine.

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
    """Whether a target can run here; if not, ``reason`` says why and ``remedy`` what would make it available."""

    available: bool
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Target:
    """One place where networks run, as a row of the registry.

    Attributes:
        name: how a user asks for it.
        about: what it is, in words.
        availability: checks whether the target can run on this machine, without importing its simulator or SDK.
        where: "module:function" that runs a network; :meth:`run` imports the module when it is called.
        standard_only: whether it runs standard NIR graphs (`deploy run FILE.nir`) and no converted networks.
        steps: whether it steps a converted network through time, so that its run can be compared with the closed form.
        overlaps: whether a sample can enter there before the previous sample's output is complete.
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
        """Run samples in real units and return outputs, spikes and potentials.

        Args:
            network: a converted network, with codes.
            samples: (N, *input), in real units.
            granularity: "block" or "operation", what one Lava Process holds; other targets ignore it.
            done: called with 0, 1, ... when a sample has been run.
            state_sets: let samples overlap in time, a node holding at most this many at once; None runs one sample
                after the other.

        Raises:
            DeployError: the target cannot run this network, is not available, or cannot overlap samples.
        """
        if state_sets is not None:
            self.check_overlap()
        module, function = self.where.split(":")
        run = getattr(importlib.import_module(module), function)
        more = {} if state_sets is None else {"state_sets": state_sets}
        return run(network, samples, granularity, done, **more)

    def check_overlap(self) -> None:
        """Raise DeployError if this target cannot overlap samples."""
        if not self.overlaps:
            raise DeployError(
                f"--overlap: target {self.name} runs one sample after the other; give --target stepper or lava-sim"
            )
