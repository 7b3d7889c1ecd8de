"""Other simulators that run plain NIR, each as its own importer builds the network.

snnTorch and Norse run in this process; sinabs and SpikingJelly need other pins and another Python, so they run in
environments of their own, which ``python -m targets.tools`` makes.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nir
import numpy as np
import torch

from processes.errors import DeployError
from processes.leftovers import scratch_folder
from targets.nir_plain import write_plain
from targets.simulators import worker
from targets.tools import TOOLS

Run = tuple[np.ndarray, dict[str, np.ndarray]]
SIMULATORS = ("snntorch", "norse", "sinabs", "spikingjelly")


def check_simulator(name: str) -> None:
    """Raise DeployError if it is unknown or not installed."""
    if name not in SIMULATORS:
        raise DeployError(f"{name}: no simulator of plain NIR; known are {', '.join(SIMULATORS)}")
    if name in TOOLS:
        state = TOOLS[name].availability()
        if not state.available:
            raise DeployError(f"{name} is not available here: {state.reason}; {state.remedy}")
    elif importlib.util.find_spec(name) is None:
        raise DeployError(f"{name} is not installed; pip install 'spikedeploy[simulators]'")


def simulate(name: str, graph: nir.NIRGraph, inputs: np.ndarray, dtype: torch.dtype = torch.float64) -> Run:
    """Run a chain of Affine, Conv2d and LIF in a simulator.

    Args:
        name: of the simulator.
        graph: in its dialect.
        inputs: (N, T, *shape).
        dtype: of its arithmetic, in this process. Importers round the parameters to float32 in any case.

    Returns:
        The outputs (N, T, *shape), and the spikes of every LIF by node name, (N, T, *shape).

    Raises:
        DeployError: unknown, not installed, or it failed.
    """
    check_simulator(name)
    if name not in TOOLS:
        return worker.run(name, graph, inputs, dtype)
    with scratch_folder(name) as folder:
        write_plain(folder / "graph.nir", graph)
        np.save(folder / "inputs.npy", inputs)
        TOOLS[name].run(Path(worker.__file__), name, folder / "graph.nir", folder / "inputs.npy", folder / "runs.npz")
        with np.load(folder / "runs.npz") as runs:
            spikes = {key.removeprefix("spikes:"): runs[key] for key in runs.files if key.startswith("spikes:")}
            return runs["outputs"], spikes


def versions(name: str) -> str:
    """Of a simulator and what it depends on, as a text."""
    return TOOLS[name].run(Path(worker.__file__), name).strip() if name in TOOLS else worker.versions(name)
