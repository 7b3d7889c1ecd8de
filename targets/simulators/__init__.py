"""Runs plain NIR in other simulators, with the network as each simulator's own importer builds it.

snnTorch and Norse run in this process; sinabs and SpikingJelly need other versions of packages, SpikingJelly another
Python, so they run in environments of their own, which ``python -m targets.tools`` makes.
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
"""Outputs (N, T, *shape), and spikes (N, T, *shape) of every LIF by node name."""
SIMULATORS = ("snntorch", "norse", "sinabs", "spikingjelly")


def check_simulator(name: str) -> None:
    """Raise DeployError if the simulator ``name`` is unknown or not installed."""
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
        name: of the simulator, one of SIMULATORS.
        graph: in the simulator's dialect.
        inputs: (N, T, *shape).
        dtype: arithmetic of a simulator that runs in this process; others use float64. Importers round parameters to
            float32 in any case.

    Returns:
        The outputs (N, T, *shape), and the spikes of every LIF by node name, (N, T, *shape).

    Raises:
        DeployError: the simulator is unknown, is not installed, or failed.
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
    """Versions of a simulator, of the packages that it depends on, and of its Python, as one line of text."""
    return TOOLS[name].run(Path(worker.__file__), name).strip() if name in TOOLS else worker.versions(name)
