"""The NIR file as a target: write the network, read it back, and run the restored network in the closed form."""

from __future__ import annotations

import numpy as np

from evaluator.network_file import read, write
from evaluator.target_run import Done, TargetRun
from processes.leftovers import scratch_folder
from processes.network import Network
from targets import closed_form_target


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Run samples (N, *input) in real units through the network restored from its file; ``granularity`` is ignored."""
    with scratch_folder("nir") as folder:
        path = folder / "graph.nir"
        write(path, network)
        return closed_form_target.run(read(path), samples, granularity, done)
