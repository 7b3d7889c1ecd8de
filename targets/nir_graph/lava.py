"""Runs a program of a standard NIR graph as Lava Processes.

``granularity`` "operation" gives every node a Process of its own; "block" joins nodes without spikes to the node that
reads them. A cycle always stays in one Process, since Processes cannot wait for each other within a step.
"""

from __future__ import annotations

import functools
import graphlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from processes.lava.generic import process_class
from processes.lava.process import SpikingProcess
from processes.leftovers import scratch_folder
from processes.operation import Emission, Window
from targets.lava_sim.runtime import run_processes
from targets.nir_graph.program import Program, Recorder, Stepper, Traces


def run_in_lava(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    granularity: str = "block",
    *,
    potentials: bool = False,
    done: Callable[[int], None] | None = None,
) -> Traces:
    """Run samples one after the other in Lava, with the results of :func:`targets.nir_graph.program.interpret`.

    Args:
        program: in floating point or integers, which decides the ProcessModels.
        inputs: by Input, (samples, T, *shape) in real units.
        granularity: "block" or "operation".
        potentials: also record the neurons' potentials.
        done: called with 0, 1, ... when a sample has been run, once for each network of connected Processes.

    Raises:
        DeployError: a Process failed.
    """
    encoded = {name: program.encode(name, inputs[name]) for name in program.inputs}
    samples, steps = next(iter(encoded.values())).shape[:2]
    found = Traces({}, {})
    for part in _connected(program, partition(program, granularity)):
        with scratch_folder("recordings") as place:
            groups = [Group(program, names, encoded, place / f"{i}.npz", potentials) for i, names in enumerate(part)]
            processes = _connect(program, groups, steps)
            run_processes(processes, steps, samples, "fixed" if program.fixed else "float", done)
            for group in groups:
                group.collect(found)
    return found


def partition(program: Program, granularity: str) -> list[list[str]]:
    """Group the stages into Processes; groups are in an order in which a group comes after those that it reads."""
    names = list(program.stages)
    home = dict(zip(names, _components(program, names, "strong"), strict=True))
    if granularity == "block":
        for name in reversed(names):  # readers first
            readers = {home[r] for r in names if any(home[e.source] == home[name] for e in program.stages[r].sources)}
            rest = readers - {home[name]}
            if len(rest) == 1 and not any(program.stages[n].spikes for n in names if home[n] == home[name]):
                joined, into = home[name], rest.pop()
                home = {n: into if label == joined else label for n, label in home.items()}
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(home[name], []).append(name)
    before = {
        label: {home[e.source] for name in group for e in program.stages[name].sources} - {label}
        for label, group in groups.items()
    }
    return [groups[label] for label in graphlib.TopologicalSorter(before).static_order()]


def _components(program: Program, names: list[str], connection: str) -> list[int]:
    """Number of the "strong" or "weak" connected component of each stage in ``names``."""
    number = {name: i for i, name in enumerate(names)}
    pairs = [(number[e.source], i) for name, i in number.items() for e in program.stages[name].sources]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    links = scipy.sparse.csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    return scipy.sparse.csgraph.connected_components(links, connection=connection)[1].tolist()


def _connected(program: Program, groups: list[list[str]]) -> list[list[list[str]]]:
    """Split groups into unconnected networks, as Lava runs one connected network at a time."""
    names = [name for group in groups for name in group]
    part = dict(zip(names, _components(program, names, "weak"), strict=True))
    found: dict[int, list[list[str]]] = {}
    for group in groups:
        found.setdefault(part[group[0]], []).append(group)
    return list(found.values())


class Group:
    """Steps the stages of one Process, sample by sample, and writes its recordings to ``file`` after the last one.

    ``sources`` are outside stages whose messages the group reads, ``sinks`` its own stages that other groups read.
    """

    def __init__(
        self, program: Program, names: list[str], inputs: Mapping[str, np.ndarray], file: Path, potentials: bool
    ) -> None:
        inside = set(names)
        edges = [edge.source for name in names for edge in program.stages[name].sources]
        self.names, self.file = names, file
        self.sources = [source for source in dict.fromkeys(edges) if source not in inside]
        read = {e.source for name, stage in program.stages.items() if name not in inside for e in stage.sources}
        self.sinks = [name for name in names if name in read]
        self.given = {name: x for name, x in inputs.items() if name in inside}
        self.samples, self.steps = next(iter(inputs.values())).shape[:2]
        stages = {name: program.stages[name] for name in names}
        self.part = Program(stages, list(self.given), [n for n in program.outputs if n in inside], program.fixed)
        self.stepper = Stepper(self.part, names)
        self.dtype = np.int64 if program.fixed else np.float64
        self.recorder: Recorder | None = None
        self.potentials, self.sample = potentials, -1

    def reset(self) -> None:
        """Begin the next sample, with all states cleared."""
        self.sample += 1
        self.stepper.reset()
        if self.recorder is None:  # created in the child process, not where the group is built
            self.recorder = Recorder(self.part, self.samples, self.steps, self.potentials)

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | list[np.ndarray | None] | None:
        """Run one step of every stage and return a message (1, *shape) for each sink, a single one without a list."""
        assert self.recorder is not None
        arrived = {
            source: None if message is None else message.astype(self.dtype)
            for source, message in zip(self.sources, messages, strict=True)
        }
        arrived |= {name: x[self.sample : self.sample + 1, t] for name, x in self.given.items()}
        sent = self.stepper.step(arrived)
        self.recorder.write(self.sample, t, {name: sent[name] for name in self.names})
        if t + 1 == self.steps:
            self.recorder.finish()
            if self.sample + 1 == self.samples:
                np.savez(self.file, **_packed(self.recorder.traces()))
        results = [sent[name] for name in self.sinks]
        return results[0] if len(results) == 1 else results or None  # type: ignore[return-value]

    def collect(self, traces: Traces) -> None:
        """Read the recordings of the Process from the file and add them to ``traces``."""
        with np.load(self.file) as file:
            for key in file.files:
                kind, name = key.split(":", 1)
                value = file[key]
                getattr(traces, kind)[name] = value if value.ndim else value.item()


def _ready(group: Group, windows: list[Window]) -> Group:
    """Stepper factory of a Process: the group itself, whatever the windows of its operands."""
    return group


def _packed(traces: Traces) -> dict[str, np.ndarray]:
    """All recordings as arrays named "kind:node", for :meth:`Group.collect`."""
    kinds = ("outputs", "spikes", "potentials", "overflows", "peaks")
    return {f"{kind}:{name}": np.asarray(value) for kind in kinds for name, value in getattr(traces, kind).items()}


def _connect(program: Program, groups: list[Group], steps: int) -> list[SpikingProcess]:
    """Make one Process for each group and connect them."""
    ports: dict[str, Any] = {}
    processes: list[SpikingProcess] = []
    for i, group in enumerate(groups):
        stages = program.stages
        kinds: list[tuple[Emission, ...]] = [
            tuple("spikes" if stages[name].spikes else "graded" for name in names)
            for names in (group.sources, group.sinks)
        ]
        shapes = {f"x{k}_in": (1, *stages[name].shape) for k, name in enumerate(group.sources)}
        shapes |= {f"y{k}_out": (1, *stages[name].shape) for k, name in enumerate(group.sinks)}
        process = process_class(*kinds)(
            stepper=functools.partial(_ready, group),  # type: ignore[arg-type]
            shapes=shapes, window=Window(0, steps), period=steps, name=f"{i:03d} {group.names[-1]}",
        )  # fmt: skip
        for k, name in enumerate(group.sources):
            ports[name].connect(getattr(process, f"x{k}_in"))
        ports |= {name: getattr(process, f"y{k}_out") for k, name in enumerate(group.sinks)}
        processes.append(process)
    return processes
