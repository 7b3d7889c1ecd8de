"""Cuts a transformer into plain NIR segments, and runs the network with its segments in another simulator.

A segment is a dense or convolutional synapse and, if its only readers are neurons with a plain form, these neurons. All
else (attention products, softmax, normalisation, other activations, residual streams) runs as our own operations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from evaluator.closed_form import ClosedForm
from evaluator.target_run import TargetRun
from processes.batches import slices
from processes.network import ConvSynapse, DenseSynapse, Network, Node, PhaseNeuron, Route
from processes.operation import Operation, Result
from targets.nir_plain import DIALECTS, Phase, Plain, plain_network
from targets.nir_plain.stages import stage_of, why_not_neuron, why_not_synapse, with_neuron
from targets.simulators import check_simulator, simulate

BATCH = 4096
"""Rows (samples of a segment) that a simulator steps together."""


@dataclass(frozen=True)
class Segment:
    """One stage of a network in plain NIR.

    Attributes:
        synapse: name of the synapse's node.
        neuron: name of the neurons' node; None if the segment puts out potentials.
        plain: the segment's graph.
    """

    synapse: str
    neuron: str | None
    plain: Plain


def cut(network: Network, simulator: str) -> list[Segment]:
    """Return every segment of a network, in the dialect of ``simulator``; DeployError for an unknown one."""
    if simulator not in DIALECTS:
        check_simulator(simulator)
    found: list[Segment] = []
    for name, node in network:
        op = node.op
        if not isinstance(op, DenseSynapse | ConvSynapse) or why_not_synapse(op) is not None or not _geometric(op):
            continue
        # tokens share a dense synapse, so each token is a sample of the segment
        reads = network.shape(node.inputs[0])
        rows = (1, reads[-1]) if isinstance(op, DenseSynapse) else reads
        stage = stage_of(op, rows)
        if isinstance(op, DenseSynapse):
            stage = replace(stage, shape=(len(op.weight),))
        readers = network.readers(name)
        neuron = readers[0] if len(readers) == 1 and _fits(op, network.nodes[readers[0]]) else None
        if neuron is not None:
            stage = with_neuron(stage, network[neuron])  # type: ignore[arg-type]
        base = float(op.trace[0] / op.trace[1])
        if op.state_bits and neuron is not None:
            base = network[neuron].schedule.base  # type: ignore[attr-defined]
        elif op.state_bits:
            base = _base(op)
        found.append(Segment(name, neuron, plain_network([stage], Phase(base, len(op.trace)), DIALECTS[simulator])))
    return found


def _base(op: DenseSynapse | ConvSynapse) -> float:
    """Base B of a trace, from its first entry and the last one of at least 1/64 of it, little affected by rounding."""
    last = int(np.flatnonzero(op.trace >= op.trace[0] / 64)[-1])
    return float((op.trace[0] / op.trace[last]) ** (1 / last))


def _geometric(op: DenseSynapse | ConvSynapse) -> bool:
    """Whether the trace falls by the same factor at every step, up to rounding in integers."""
    levels = op.trace[0] * _base(op) ** -np.arange(len(op.trace), dtype=float)
    return bool(np.abs(op.trace - levels).max() <= (1.0 if op.state_bits else 1e-9))


def _fits(synapse: DenseSynapse | ConvSynapse, node: Node) -> bool:
    """Whether neurons can join the synapse's segment: plain, in the code of its input, one scale per row."""
    op = node.op
    if not isinstance(op, PhaseNeuron) or why_not_neuron(op) is not None or op.schedule.steps != len(synapse.trace):
        return False
    scale = op.schedule.scale
    axis = -1 if isinstance(synapse, DenseSynapse) else 1
    return scale.size in (1, scale.shape[axis]) and abs(op.schedule.base - _base(synapse)) < 1e-2


def run_segments(
    network: Network, x: np.ndarray, simulator: str, segments: list[Segment], done: Callable[[int], None] | None = None
) -> TargetRun:
    """Run samples (N, *input), the segments stepped by a simulator and the rest in the closed form.

    Args:
        segments: as :func:`cut` returns them, in the simulator's dialect.
        done: called with 0, 1, ... when a segment has run.

    Returns:
        Outputs, and codes (N, planes, *shape) of the firing nodes; potentials are not kept.
    """
    ends = {(s.neuron or s.synapse): s for s in segments}
    seen: dict[str, torch.Tensor] = {}
    count = iter(range(len(ends)))

    def observe(name: str, op: Operation, result: Result) -> torch.Tensor:
        y = result.values
        if name in ends:
            codes = seen[network.nodes[ends[name].synapse].inputs[0]]
            y = _simulated(ends[name], codes, y, simulator)
            if done is not None:
                done(next(count))
        seen[name] = y
        return y

    begin = time.perf_counter()
    outputs = ClosedForm(network, torch.float64).run(x, observe).numpy()
    seconds = (time.perf_counter() - begin) / len(x)
    fired = {name for name in seen if network[name].fires and not isinstance(network[name], Route)}
    return TargetRun(outputs, {name: seen[name].swapaxes(0, 1).numpy() for name in fired}, seconds)


def _simulated(segment: Segment, codes: torch.Tensor, like: torch.Tensor, simulator: str) -> torch.Tensor:
    """Run one segment in the simulator on input codes (planes, N, *shape); returns its output with ``like``'s shape."""
    plain = segment.plain
    stage = plain.stages[0]
    rows = codes.numpy().reshape(len(codes), -1, *stage.reads)
    parts: list[np.ndarray] = []
    for part in slices(rows.shape[1], BATCH):
        outputs, spikes = simulate(simulator, plain.graph, plain.encode(rows[:, part]))
        parts.append(plain.codes(spikes[plain.names[0]], 0)[0] if segment.neuron else plain.decode(outputs))
    y: Any = np.concatenate(parts).reshape(like.shape)
    return torch.from_numpy(y if like.is_floating_point() else np.rint(y)).to(like.dtype)
