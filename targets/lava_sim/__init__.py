"""Lava's CPU simulator as a target: the network becomes Lava Processes that step through time."""

from __future__ import annotations

import importlib

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.interval import overlap
from evaluator.stepping import Recorder, step_through
from evaluator.target_run import Done, TargetRun
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.leftovers import scratch_folder
from processes.network import Network
from targets import probes


def run(
    network: Network, samples: np.ndarray, granularity: str = "block", done: Done | None = None,
    state_sets: int | None = None,
) -> TargetRun:  # fmt: skip
    """Run samples (N, *input) in real units, and keep every node's values.

    The network's precision decides whether ``floating_pt`` or ``fixed_pt`` (bit-accurate Loihi style) models run.

    Args:
        granularity: "block" for one Lava Process per block of the model, else one per operation.
        done: called with 0, 1, ... when a sample has been run.
        state_sets: let samples overlap as closely as nodes with this many sets of state allow; None runs one by one.

    Raises:
        DeployError: Lava is not available, or a Process failed.
    """
    state = probes.lava()
    if not state.available:
        raise DeployError(f"target lava-sim: {state.reason}; {state.remedy}")
    importlib.import_module("processes.lava")  # has to be imported before anything of Lava's
    from targets.lava_sim.network import build, read_clips
    from targets.lava_sim.runtime import run_processes

    graded = ClosedForm(network, torch.float64).encode(samples).cpu().numpy()
    times = timeline(network)
    plan = None if state_sets is None else overlap(network, times, state_sets)
    exact = network.header.fixed
    # compiles numba's kernels, or loads them from its cache, once here instead of in every Process at the same time
    step_through(network, times, graded[0].astype(np.int64 if exact else np.float64), Recorder(network, times))
    with scratch_folder("recordings") as folder:
        processes = build(network, times, graded, folder, granularity, plan)
        precision = "fixed" if exact else "float"
        took = run_processes(processes, times.period, len(samples), precision, done, measure_memory=True)
        values = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
        clips = read_clips(network, folder) if precision == "fixed" else {}
    return TargetRun(
        outputs=values[network.output],
        values=values,
        seconds_per_sample=took.seconds_per_sample,
        seconds_start=took.seconds_start,
        processes=took.processes,
        bytes=took.bytes,
        clips=clips,
        measured={} if plan is None else plan.measured(len(samples)),
    )
