"""Lava's CPU simulator: the network as Lava Processes that really step through time."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from processes.errors import DeployError
from processes.network import Network
from targets.base import Availability, Done, TargetRun
from targets.closed_form import ClosedForm
from targets.timeline import timeline


class LavaSim:
    """``floating_pt`` or ``fixed_pt`` (bit-accurate Loihi style) ProcessModels, as the network's precision says."""

    name = "lava-sim"
    about = "Lava's CPU simulator, stepping through time, floating point or Loihi-style fixed point"

    def availability(self) -> Availability:
        """Lava runs on Python 3.10 only."""
        if importlib.util.find_spec("lava") is not None and sys.version_info[:2] == (3, 10):
            return Availability(True)
        version = ".".join(map(str, sys.version_info[:2]))
        if sys.version_info[:2] != (3, 10):
            reason = f"lava-nc 0.10.0, the newest Lava, runs on Python 3.10 only; this is {version}"
            return Availability(False, reason, "make an environment with Python 3.10")
        return Availability(False, "lava-nc is not installed", "pip install lava-nc==0.10.0")

    def run(
        self, network: Network, samples: np.ndarray, granularity: str = "block", done: Done | None = None
    ) -> TargetRun:
        """Run samples (N, *input) in real units, and keep every node's values.

        Raises:
            DeployError: Lava is not available, or a Process failed.
        """
        state = self.availability()
        if not state.available:
            raise DeployError(f"target {self.name}: {state.reason}; {state.remedy}")
        importlib.import_module("processes.lava")  # has to come before anything of Lava's
        from targets.lava_sim.network import build
        from targets.lava_sim.runtime import run_processes

        graded = ClosedForm(network, torch.float64).encode(samples).numpy()
        times = timeline(network)
        with tempfile.TemporaryDirectory(prefix="recordings-") as place:
            folder = Path(place)
            processes = build(network, times, graded, folder, granularity)
            precision = "fixed" if network.about.get("precision") == "fixed" else "float"
            took = run_processes(processes, times.period, len(samples), precision, done, measure_memory=True)
            values = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
        return TargetRun(
            outputs=values[network.output],
            values=values,
            seconds_per_sample=took.seconds_per_sample,
            seconds_start=took.seconds_start,
            processes=took.processes,
            bytes=took.bytes,
        )
