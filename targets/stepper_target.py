"""The stepper as a target: what Lava runs, without Lava, several samples at a time on several cores."""

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
"""What a worker process takes to start, most of it PyTorch's import, with room for its copy of the network."""


def run(
    network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None, workers: int | None = None,
    state_sets: int | None = None,
) -> TargetRun:  # fmt: skip
    """Step samples (N, *input) in real units, and keep every node's values; ``granularity`` means nothing here.

    ``workers``: processes that share the samples, whose number the result does not depend on; None for one per core if the
    first sample says that it is worth their start, and for none in a process that is itself a worker.
    ``state_sets``: samples follow each other in one process as closely as nodes with so many sets of state allow.
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
    """A run of samples in flight together, which says how close they were."""
    plan = overlap(network, timeline(network), state_sets)
    found = stepper.run(network, samples, done, plan)
    found.measured = plan.measured(len(samples))
    return found


def _worth(seconds: float, samples: int) -> int:
    """How many processes pay for ``samples`` of so many seconds each: all cores, or one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    number = min(cores, samples)
    saved = seconds * samples * (1 - 1 / max(number, 1))
    return number if saved > START_SECONDS and multiprocessing.parent_process() is None else 1


def _joined(runs: list[TargetRun]) -> TargetRun:
    """One run of the samples of several, in order."""
    clips: Counter[str] = Counter()
    for part in runs:
        clips.update(part.clips)
    return TargetRun(
        np.concatenate([part.outputs for part in runs]),
        {name: np.concatenate([part.values[name] for part in runs]) for name in runs[0].values},
        sum(part.seconds_per_sample * len(part.outputs) for part in runs) / sum(len(part.outputs) for part in runs),
        clips=dict(clips),
    )
