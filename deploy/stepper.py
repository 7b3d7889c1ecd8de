"""Every operation's stepper in this process, one time step after the other: what Lava runs, without Lava."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.stepping import Group, Recorder
from evaluator.target_run import Done, TargetRun
from evaluator.timeline import Timeline, timeline
from processes.network import Network, Route

NAME = "numpy stepper"


def run(network: Network, samples: np.ndarray, done: Done | None = None) -> TargetRun:
    """Step samples (N, *input) in real units, and keep every node's values."""
    exact = network.about.get("precision") == "fixed"
    graded = ClosedForm(network, torch.float64).encode(samples).numpy().astype(np.int64 if exact else np.float64)
    times = timeline(network)
    begin = time.perf_counter()
    recorded: list[dict[str, np.ndarray]] = []
    clips: Counter[str] = Counter({name: 0 for name in network.nodes} if exact else {})
    for number, sample in enumerate(graded):
        values, clipped = _sample(network, times, sample)
        recorded.append(values)
        clips.update(clipped)
        if done is not None:
            done(number)
    values = {name: np.stack([one[name] for one in recorded]) for name in recorded[0]}
    seconds = (time.perf_counter() - begin) / len(graded)
    return TargetRun(values[network.output], values, seconds, clips=dict(clips))


def _sample(network: Network, times: Timeline, sample: np.ndarray) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """Values and clipped potentials of every node for one graded input (1, *shape)."""
    recorder = Recorder(network, times)
    for name, node in network:  # what a node that sends nothing leaves
        if node.op.fires and not isinstance(node.op, Route):
            recorder.values[name] = np.zeros((getattr(node.op, "spikes", 1), *node.op.shape), np.int16)
    group = Group(network, times, list(network.nodes), [Network.INPUT], network.output, recorder)
    group.reset()
    for t in range(times.period):
        group.step(t, [sample if t == 0 else None])
    return recorder.values, Counter(recorder.clips) + Counter(group.clips())
