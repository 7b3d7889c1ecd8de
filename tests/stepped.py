"""Networks stepped in this process, as a target would run them, for tests of the comparison and of whole conversions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.stepping import Group, Record, Recorder
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.network import Network, Route
from processes.operation import Operation

Fault = (
    Record  # called with (node, step, message) before a message is recorded and sent on; it may write into the message
)


def step_samples(network: Network, samples: np.ndarray, faults: dict[int, Fault] | None = None) -> TargetRun:
    """Step ``samples`` (N, *input), in real units, through ``network`` one after the other.

    ``faults`` maps a sample's number to what goes wrong in it. A changed message also reaches the nodes that follow, as
    the error of a target would. The returned run holds the outputs, the codes (N, planes, *shape) or potentials
    (N, *shape) of every node that is not wiring, and by node the number of clipped potentials.
    """
    times = timeline(network)
    graded = ClosedForm(network, torch.float64).encode(samples).numpy()
    graded = graded.astype(np.int64 if np.issubdtype(graded.dtype, np.integer) else np.float64)
    records: list[dict[str, np.ndarray]] = []
    clips: Counter[str] = Counter()
    for number, sample in enumerate(graded):
        recorder = Recorder(network, times)
        group = Group(
            network, times, list(network.nodes), [Network.INPUT], network.output, _faulty(recorder, faults, number)
        )
        group.reset()
        for t in range(times.period):
            group.step(t, [sample if t == 0 else None])
        clips.update(recorder.clips)
        clips.update(group.clips())
        records.append(recorder.values)
    nothing = {name: _nothing(op) for name, op in _recorded(network)}
    values = {name: np.stack([record.get(name, nothing[name]) for record in records]) for name in nothing}
    counts = {name: clips[name] for name in nothing}
    return TargetRun(outputs=values[network.output], values=values, clips=counts)


def _nothing(op: Operation) -> np.ndarray:
    """What is recorded of an operation that never sends a message: silence, or potentials of zero."""
    return np.zeros((getattr(op, "spikes", 1), *op.shape), np.int16) if op.fires else np.zeros(op.shape)


def _recorded(network: Network) -> list[tuple[str, Operation]]:
    """Nodes that are not wiring."""
    return [(name, node.op) for name, node in network if not isinstance(node.op, Route)]


def _faulty(recorder: Recorder, faults: dict[int, Fault] | None, sample: int) -> Record:
    """The recorder, behind the fault of this sample if it has one."""
    fault = (faults or {}).get(sample)
    if fault is None:
        return recorder

    def record(name: str, t: int, message: np.ndarray) -> None:
        fault(name, t, message)
        recorder(name, t, message)

    return record
