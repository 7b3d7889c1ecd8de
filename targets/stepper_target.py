"""The stepper as a target: the computation that Lava runs, without Lava, with samples shared among several cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import as_completed

import numpy as np

from evaluator import stepper
from evaluator.interval import overlap
from evaluator.target_run import Done, TargetRun
from evaluator.timeline import timeline
from processes.network import Network
from targets import children

START_SECONDS = 10.0
"""Allowance for the start of a worker process: mostly PyTorch's import, and its copy of the network."""


def run(
    network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None, workers: int | None = None,
    state_sets: int | None = None,
) -> TargetRun:  # fmt: skip
    """Step samples (N, *input) in real units, and keep every node's values; ``granularity`` is ignored.

    Args:
        workers: processes that share the samples; the results do not depend on it. None takes one per core if the time
            of the first sample shows that starting them pays, and none in a process that is itself a worker.
        state_sets: let samples overlap, in one process, as closely as nodes with this many sets of state allow.
    """
    if state_sets is not None:
        return _overlapped(network, samples, done, state_sets)
    one = stepper.run(network, samples[:1], done)
    rest = len(samples) - 1
    number = _worth(one.seconds_per_sample, rest) if workers is None else min(workers, rest)
    if number < 2:
        others = [stepper.run(network, samples[1:], None if done is None else lambda i: done(i + 1))] if rest else []
        return _joined([one, *others])
    begin, finished = time.perf_counter(), 1
    parts = np.array_split(np.arange(1, len(samples)), number)
    with children.workers(number) as pool:
        tasks = [pool.submit(stepper.run, network, samples[part]) for part in parts]
        for task in as_completed(tasks):
            for _ in range(len(task.result().outputs) if done is not None else 0):
                done(finished)  # type: ignore[misc]
                finished += 1
        runs = [one, *(task.result() for task in tasks)]
    joined = _joined(runs)
    joined.seconds_per_sample = (one.seconds_per_sample + time.perf_counter() - begin) / len(samples)
    joined.processes = number
    return joined


def _overlapped(network: Network, samples: np.ndarray, done: Done | None, state_sets: int) -> TargetRun:
    """Run samples that overlap in time; ``measured`` of the result holds their interval and latency in steps."""
    plan = overlap(network, timeline(network), state_sets)
    found = stepper.run(network, samples, done, plan)
    found.measured = plan.measured(len(samples))
    return found


def _worth(seconds: float, samples: int) -> int:
    """Number of worker processes for ``samples`` of ``seconds`` each: one per core where that saves time, else one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    number = min(cores, samples)
    saved = seconds * samples * (1 - 1 / max(number, 1))
    return number if saved > START_SECONDS and multiprocessing.parent_process() is None else 1


def _joined(runs: list[TargetRun]) -> TargetRun:
    """Concatenate runs into one, samples in the order of ``runs``; clips add up, seconds per sample are averaged."""
    clips: Counter[str] = Counter()
    for part in runs:
        clips.update(part.clips)
    return TargetRun(
        np.concatenate([part.outputs for part in runs]),
        {name: np.concatenate([part.values[name] for part in runs]) for name in runs[0].values},
        sum(part.seconds_per_sample * len(part.outputs) for part in runs) / sum(len(part.outputs) for part in runs),
        clips=dict(clips),
    )
