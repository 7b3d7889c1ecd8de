"""The closed form as a target: it computes a stepped run's spikes and potentials without stepping through time."""

from __future__ import annotations

import time

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.target_run import Done, TargetRun
from processes.kernels.compiled import compiling
from processes.network import Network, Route
from processes.operation import Operation, Result


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Run samples (N, *input) in real units, in float64, and keep every node's values; ``granularity`` is ignored."""
    values: dict[str, np.ndarray] = {}
    clips: dict[str, int] = {}

    def observe(name: str, op: Operation, result: Result) -> None:
        y = result.values
        clips[name] = result.clipped
        if not isinstance(op, Route):
            values[name] = (y.swapaxes(0, 1) if op.fires else y).cpu().numpy().copy()

    begin = time.perf_counter() - compiling()
    outputs = ClosedForm(network, torch.float64).run(samples, observe).cpu().numpy()
    seconds = (time.perf_counter() - compiling() - begin) / len(samples)
    if done is not None:
        for sample in range(len(samples)):
            done(sample)
    return TargetRun(outputs, values, seconds, clips=clips)
