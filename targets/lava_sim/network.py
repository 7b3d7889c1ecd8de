"""Builds a converted network as connected Lava Processes, at either granularity, which record into files.

Every Process steps a group of nodes: one operation with the routes in front of it, or a whole block. Both granularities
use the same steppers, so their results are bit-identical.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.interval import Overlap
from evaluator.overlapped import SharedGroup
from evaluator.stepping import Group, Recorder, broadcast_of
from evaluator.timeline import Timeline
from processes.lava.generic import process_class
from processes.lava.process import Following, SpikingProcess, StepperFactory
from processes.lava.source import SourceProcess
from processes.lava_process import process_of
from processes.network import Network, Route, TraceProduct
from processes.operation import Emission, Operation
from processes.trace_product.lava import TraceBroadcasterProcess
from targets.partition import by_block

CLIPS = "clips"
"""File of clips, an .npy file without the ending, so that it is not taken for a node's recording."""


class FileRecorder(Recorder):
    """Collects the messages of a sample's nodes and writes them to <folder>/<node>.npy, (samples, ...), at its end."""

    def __init__(self, network: Network, times: Timeline, folder: Path) -> None:
        super().__init__(network, times)
        self.folder = folder

    def flush(self, sample: int, also: dict[str, int]) -> None:
        """Write a sample's values and clips and clear them; ``also`` holds clips that the nodes counted themselves."""
        for name, value in self.values.items():
            np.load(path_of(self.folder, name), mmap_mode="r+")[sample] = value
        counted = np.load(self.folder / CLIPS, mmap_mode="r+")
        for place, name in enumerate(self.kinds):  # each node is in one process, so nobody else writes there
            if clips := self.clips.get(name, 0) + also.get(name, 0):
                counted[sample, place] = clips
        self.values.clear()
        self.clips.clear()


def path_of(folder: Path, name: str) -> Path:
    """Path of the recording of one node."""
    return folder / f"{name}.npy"


def create_recordings(network: Network, folder: Path, samples: int) -> None:
    """Create zeroed recordings of every node but routes, and of clips, int64 (samples, nodes)."""
    counts = (samples, len(network.nodes))
    np.lib.format.open_memmap(folder / CLIPS, mode="w+", dtype=np.int64, shape=counts)
    for name, node in network:
        op = node.op
        if isinstance(op, Route):
            continue
        shape, dtype = recording_type(op)
        np.lib.format.open_memmap(path_of(folder, name), mode="w+", dtype=dtype, shape=(samples, *shape))


def read_clips(network: Network, folder: Path) -> dict[str, int]:
    """Number of potentials clipped at the state width, by node, summed over all samples."""
    counts = np.load(folder / CLIPS).sum(0)
    return {name: int(count) for name, count in zip(network.nodes, counts, strict=True)}


def recording_type(op: Operation) -> tuple[tuple[int, ...], type[np.generic]]:
    """Shape and dtype of one sample's recording: codes int16 (planes, *shape), else int64 in fixed point or float64."""
    if op.emits == "spikes":
        return (getattr(op, "spikes", 1), *op.shape), np.int16
    return op.shape, np.int64 if getattr(op, "state_bits", 0) else np.float64


class RecordedGroup:
    """A stepper of one sample after another: a Group whose recordings are written to files when a sample ends."""

    def __init__(self, group: Group, recorder: FileRecorder, period: int) -> None:
        self.group, self.recorder, self.last, self.sample = group, recorder, period - 1, -1

    def reset(self) -> None:
        """Begin the next sample, with the state cleared."""
        self.sample += 1
        self.group.reset()

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Run step ``t`` of the sample and return the message of the group's sink, None for silence."""
        result = self.group.step(t, messages)
        if t == self.last:
            self.recorder.flush(self.sample, self.group.clips())
        return result


class RecordedFlight:
    """A stepper of every ``plan.in_flight``-th sample, from ``first`` on; a group's steppers share its state."""

    def __init__(self, group: SharedGroup, recorder: FileRecorder, plan: Overlap, first: int) -> None:
        self.group, self.recorder, self.plan = group, recorder, plan
        self.sample = first - plan.in_flight

    def reset(self) -> None:
        """Begin this stepper's next sample."""
        self.sample += self.plan.in_flight

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Run step ``t`` of the sample and return the message of the group's sink, None for silence."""
        result = self.group.step(self.sample, t, t + self.sample * self.plan.interval, messages, self.recorder)
        if t == self.plan.latency - 1:
            self.recorder.flush(self.sample, {})
        return result


@dataclass(frozen=True)
class Recorded:
    """Makes steppers of parts of a network that record into ``folder``; ``plan`` is None if samples do not overlap."""

    network: Network
    times: Timeline
    folder: Path
    plan: Overlap | None

    def stepper(self, names: list[str], sources: list[str], sink: str) -> StepperFactory:
        """Return a function that hands out the steppers of nodes ``names``, one for each sample under way at once.

        The steppers are built here, before the fork: torch, which lays out the routes, must not be called in a child.
        """
        parts = self.network, self.times
        if self.plan is None:
            recorder = FileRecorder(*parts, self.folder)
            group = Group(*parts, names, sources, sink, recorder)
            made = iter([RecordedGroup(group, recorder, self.times.period)])
        else:
            shared, plan = SharedGroup(*parts, self.plan, names, sources, sink), self.plan
            made = iter(
                [RecordedFlight(shared, FileRecorder(*parts, self.folder), plan, n) for n in range(plan.in_flight)]
            )
        return lambda windows: next(made)


def build(
    network: Network, times: Timeline, samples: np.ndarray, folder: Path, granularity: str, plan: Overlap | None = None
) -> Sequence[SpikingProcess]:
    """Build connected Processes, the source first, that record into ``folder``.

    Args:
        samples: graded inputs (N, *input).
        granularity: "block" for one Process per block of the model, else one per operation.
        plan: how samples overlap; None for one after the other.
    """
    create_recordings(network, folder, len(samples))
    source = SourceProcess(samples, times.period)
    builder = _per_block if granularity == "block" else _per_operation
    processes: list[SpikingProcess] = [source, *builder(Recorded(network, times, folder, plan), source)]
    if plan is not None:
        for process in processes:
            process.following = Following(plan.interval, len(samples))
    return processes


def _per_block(recorded: Recorded, source: SpikingProcess) -> list[SpikingProcess]:
    network, times = recorded.network, recorded.times
    sent: dict[str, tuple[Any, Emission]] = {Network.INPUT: (source.y_out, "graded")}
    chain: list[SpikingProcess] = []
    for i, part in enumerate(by_block(network)):
        emits = network[part.sink].emits
        inputs = {f"x{n}_in": name for n, name in enumerate(part.sources)}
        process = process_class(tuple(sent[name][1] for name in part.sources), (emits,))(
            stepper=recorded.stepper(part.nodes, part.sources, part.sink),
            shapes={port: network.shape(name) for port, name in inputs.items()} | {"y0_out": network.shape(part.sink)},
            window=times.windows[part.sink],
            period=times.period,
            name=f"{i:03d} {part.name}",
        )
        for port, name in inputs.items():
            sent[name][0].connect(getattr(process, port))
        chain.append(process)
        sent[part.sink] = process.y0_out, emits
    return chain


def _per_operation(recorded: Recorded, source: SpikingProcess) -> list[SpikingProcess]:
    network, times = recorded.network, recorded.times
    outputs = {Network.INPUT: source.y_out}
    processes: list[SpikingProcess] = []
    for name, node in network:
        if isinstance(node.op, Route):
            continue
        origins = [network.origin(operand) for operand in node.inputs]
        routes = [r for operand in node.inputs for r in _routes(network, operand)]
        outer = [*origins, broadcast_of(name)] if isinstance(node.op, TraceProduct) else origins
        make = recorded.stepper([*dict.fromkeys(routes), name], outer, name)
        shapes = [network.shape(origin) for origin in origins]
        trace: TraceBroadcasterProcess | None = None
        if isinstance(node.op, TraceProduct):
            windows = [times.windows[operand] for operand in node.inputs]
            trace = TraceBroadcasterProcess(node.op.traces, windows, times.period, broadcast_of(name))
            processes.append(trace)
            shapes.append((len(windows),))
        process = process_of(node.op, len(origins))(node.op, shapes, times.windows[name], times.period, make, name=name)
        for port, origin in zip(process.operands, origins, strict=False):
            outputs[origin].connect(getattr(process, port))
        if trace is not None:
            trace.p_out.connect(process.p_in)
        outputs[name] = getattr(process, process.outputs[0])
        processes.append(process)
    return processes


def _routes(network: Network, name: str) -> list[str]:
    """Names of the consecutive routes that end in node ``name``, the one nearest to their origin first."""
    routes: list[str] = []
    while name != Network.INPUT and isinstance(network[name], Route):
        routes.insert(0, name)
        name = network.nodes[name].inputs[0]
    return routes
