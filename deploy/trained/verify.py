"""Comparison of Lava with the stepped run in numpy, in fixed point, for networks that were trained as spiking ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deploy.availability import chosen
from deploy.errors import DeployError
from deploy.progress import Progress
from deploy.sources.archives import read_arrays
from deploy.trained.network import read_network
from deploy.trained.report import LavaRun
from processes.spiking import Graph
from targets.nir_graph.program import Program, Traces, interpret

FILE = "samples.npz"
KEPT = 20
"""How many samples a folder keeps, so that its network can be verified without the data."""


def write_samples(folder: Path, x: np.ndarray) -> None:
    """Write frames (samples, T, *shape of the graph's input) into the folder, constant ones as a single frame."""
    still = bool((x == x[:, :1]).all())
    np.savez_compressed(folder / FILE, x=x[:, :1] if still else x, steps=np.array(x.shape[1]))


def read_samples(folder: Path) -> np.ndarray:
    """Read the frames (samples, T, *shape) that :func:`write_samples` wrote.

    Raises:
        DeployError: the folder holds no such file, or a damaged one.
    """
    if not (folder / FILE).is_file():
        raise DeployError(f"{folder}: holds no {FILE}; run deploy trained again, as an earlier version wrote none")
    arrays = read_arrays(folder / FILE)
    try:
        x, steps = arrays["x"], int(arrays["steps"])
        return np.broadcast_to(x, (len(x), steps, *x.shape[2:])) if x.shape[1] == 1 else x
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DeployError(f"{folder / FILE}: damaged, or of another version; run deploy trained again") from error


def verify_folder(folder: Path, samples: int, granularity: str, progress: Progress) -> LavaRun:
    """Run the network of a folder on Lava in fixed point and compare it with the stepped run in numpy.

    Args:
        folder: written by `deploy trained`.
        samples: how many of the samples that the folder keeps to run, the first ones.
        granularity: what a Lava Process holds, "block" or "operation".
        progress: is told of every sample.

    Raises:
        DeployError: the folder is damaged, or keeps fewer samples; Lava cannot run here.
    """
    network, x = read_network(folder), read_samples(folder)
    if samples > len(x):
        raise DeployError(f"--samples {samples}: {folder} keeps {len(x)}; give at most so many")
    chosen("lava-sim", steps=True)
    return on_lava(network.graph, network.program(), x[:samples], progress, granularity)


def on_lava(graph: Graph, fixed: Program, x: np.ndarray, progress: Progress, granularity: str = "block") -> LavaRun:
    """Run frames ``x`` (samples, T, *shape of the graph's input) on Lava and in numpy, and compare every value."""
    from targets.nir_graph.lava import run_in_lava

    expected = interpret(fixed, {graph.input: x}, potentials=True)
    with progress.stage("run on Lava", len(x)) as advance:
        found = run_in_lava(fixed, {graph.input: x}, granularity, potentials=True, done=lambda _: advance(1))
    return compared(expected, found, len(x))


def compared(expected: Traces, found: Traces, samples: int) -> LavaRun:
    """Count the spikes, potentials and outputs in which two runs differ, and locate the first one."""
    total = differing = 0
    first: str | None = None
    for kind in ("spikes", "potentials", "outputs"):
        for name, values in getattr(expected, kind).items():
            wrong = getattr(found, kind)[name] != values
            total += values.size
            differing += int(wrong.sum())
            if first is None and wrong.any():
                sample, step, *place = (int(i) for i in np.argwhere(wrong)[0])
                first = f"{kind} of {name} at {tuple(place)}, sample {sample}, step {step}"
    return LavaRun(samples=samples, compared=total, differing=differing, first=first)
