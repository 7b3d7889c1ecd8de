"""Steps a whole network in this process: the same steppers that Lava runs, without Lava."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.interval import Overlap
from evaluator.node_by_node import NodeByNode
from evaluator.overlapped import Overlapped
from evaluator.target_run import Done, TargetRun
from evaluator.timeline import timeline
from processes.kernels.compiled import compiling
from processes.network import Network, Route
from processes.operation import Operation


def run(network: Network, samples: np.ndarray, done: Done | None = None, plan: Overlap | None = None) -> TargetRun:
    """Step samples through a network and record every node's values.

    Args:
        network: in floating point or in integers.
        samples: inputs (N, *input) in real units.
        done: called with the number of each sample, from 0 on, when it is complete.
        plan: how samples overlap (:mod:`evaluator.overlapped`); None to step one after the other, node by node.
    """
    exact = network.header.fixed
    graded = ClosedForm(network, torch.float64).encode(samples).cpu().numpy().astype(np.int64 if exact else np.float64)
    times = timeline(network)
    begin = time.perf_counter() - compiling()
    recorded: list[dict[str, np.ndarray]] = []
    clips: Counter[str] = Counter({name: 0 for name in network.nodes} if exact else {})
    if plan is None:
        stepped = map(NodeByNode(network, times).sample, graded)
    else:
        stepped = Overlapped(network, times, plan).run(graded)
    for number, recorder in enumerate(stepped):
        recorded.append(recorder.values)
        clips.update(recorder.clips)
        if done is not None:
            done(number)
    silent = {name: _silence(node.op) for name, node in network if not isinstance(node.op, Route)}
    values = {name: np.stack([one.get(name, nothing) for one in recorded]) for name, nothing in silent.items()}
    seconds = (time.perf_counter() - compiling() - begin) / len(graded)
    return TargetRun(values[network.output], values, seconds, clips=dict(clips))


def _silence(op: Operation) -> np.ndarray:
    """The values of a node that sent no message: codes without a spike (planes, *shape), or potentials 0 (*shape)."""
    return np.zeros((getattr(op, "spikes", 1), *op.shape), np.int16) if op.fires else np.zeros(op.shape)
