"""`deploy check FILE.nir`: what a NIR file holds, what is wrong with it, what can be repaired, and where it runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.errors import DeployError, Refusal, UnsupportedGraph
from deploy.nir_files import DEFAULT_DT
from deploy.nir_presets import recognised
from deploy.nir_writers import Convention, conventions, writer
from evaluator.nir_reader import read_file
from evaluator.nir_versions import Repair
from processes.files import write_hdf5
from processes.nir_nodes.neurons import Method
from processes.spiking import Neuron
from targets.chains import HOLDERS, Request, hold
from targets.chains.chain import walk
from targets.nir_graph.ends import copied
from targets.nir_graph.fixed import compile_fixed
from targets.nir_graph.kinds import NEURONS, NUMBERS, WEIGHTED
from targets.nir_graph.mend import declare, mend
from targets.nir_graph.plan import Plan, flatten, make_plan
from targets.nir_graph.program import Program, compile_float, interpret
from targets.nir_importers import IMPORTERS
from targets.trained.mark import is_whole
from targets.trained.whole import restore as restore_trained

PROBE = 8
"""Steps of random spikes on which a chip's integers are tried."""
LARGE = 2**24
"""Largest number of synapses between two populations, shared weights counted for each use, that chips are tried on."""


@dataclass(frozen=True)
class Kind:
    """All nodes of one type: their number, output values per time step (None if shapes do not fit), and parameters."""

    kind: str
    nodes: int
    values: int | None
    parameters: int


@dataclass(frozen=True)
class Place:
    """A simulator or chip; ``stops``: nodes that keep the file from running there; ``remark``: what differs there."""

    name: str
    stops: tuple[Refusal, ...]
    remark: str = ""


@dataclass(frozen=True)
class Checkup:
    """What `deploy check` says about a NIR file.

    Attributes:
        version: of nir, as stated in the file. writer: the tool that seems to have written it, and by what it is
            recognised; framework: that tool's `--from` name.
        kinds: nodes by type. neurons: number in all populations, None if shapes do not fit.
        type_error: the error of nir's own type check on the file as it is; None if it passes.
        repairs: possible repairs, harmless or not. refusals: nodes that cannot run even after all repairs.
        dt: time step that the numbers suggest. places: where it runs. repaired: the graph with every repair.
    """

    path: Path
    version: str | None
    writer: str
    kinds: tuple[Kind, ...]
    neurons: int | None
    parameters: int
    type_error: str | None
    conventions: tuple[Convention, ...]
    dt: float | None
    repairs: tuple[Repair, ...]
    refusals: tuple[Refusal, ...]
    places: tuple[Place, ...]
    repaired: nir.NIRGraph
    framework: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the file runs here as it is or after harmless repairs."""
        return not self.refusals and all(repair.harmless for repair in self.repairs)


def check(path: Path, dt: float | None = None) -> Checkup:
    """Check a NIR file: its content, type errors, possible repairs, refusals, and where it runs.

    Args:
        path: the file.
        dt: time step; None for the one that the numbers suggest, or 1e-4.

    Raises:
        DeployError: the file cannot be read as NIR.
    """
    found = read_file(path)
    graph = found.graph
    if "format" in graph.metadata:
        return _ours(path, found.version, graph)
    given = flatten(graph, [])[0]
    try:
        made_by = writer(graph, given)
        open_questions, suggested = conventions(graph, given)
    except (ValueError, TypeError, IndexError):  # fields that are no numbers: the refusals name them
        made_by, open_questions, suggested = "unknown: some of its parameters are no numbers", [], None
    step = dt or suggested or DEFAULT_DT
    mended, repairs = mend(graph, step, harmless=False)
    full, declared = declare(mended, step)
    nodes = flatten(mended, [])[0]
    plan, refusals = _planned(mended, step)
    items = {} if plan is None else plan.items
    return Checkup(
        path, found.version, made_by, _kinds(nodes, {name: item.shape for name, item in items.items()}),
        None if plan is None else sum(int(np.prod(i.shape)) for i in items.values() if isinstance(i.node, NEURONS)),
        sum(map(_parameters, nodes.values())), _type_error(graph), tuple(open_questions), suggested,
        (*found.repairs, *repairs, *declared), tuple(refusals), tuple(_places(plan, nodes, refusals, step)), full,
        None if suggested is None and made_by.startswith("unknown: some") else recognised(graph, given),
    )  # fmt: skip


def write_repaired(checkup: Checkup, out: Path) -> None:
    """Write the repaired graph to a file, whole or not at all.

    Raises:
        DeployError: ``out`` exists, or cannot be written.
    """
    if out.exists():
        raise DeployError(f"-o {out}: exists; choose another name")
    try:
        write_hdf5(out, lambda content: nir.write(content, checkup.repaired))  # pyright: ignore[reportArgumentType]
    except OSError as error:
        raise DeployError(f"-o {out}: cannot be written ({error.strerror}); choose another file") from error


def _ours(path: Path, version: str | None, graph: nir.NIRGraph) -> Checkup:
    """Check a file that this package wrote, converted or trained: it is valid if it can be restored."""
    from evaluator.network_file import restore

    refusals: tuple[Refusal, ...] = ()
    neurons = None
    counts: Counter[str] = Counter()
    trained = is_whole(graph)
    try:
        if trained:
            spiking = restore_trained(graph)[0].nodes.values()
            counts = Counter(type(node.op).__name__ for node in spiking)
            neurons = sum(int(np.prod(node.shape)) for node in spiking if isinstance(node.op, Neuron))
        else:
            network = restore(graph)
            counts = Counter(node.op.name for _, node in network)
            neurons = sum(int(np.prod(node.op.shape)) for _, node in network if node.op.fires)
    except DeployError as error:
        refusals = (Refusal("graph", "NIRGraph", str(error)),)
    kinds = tuple(Kind(kind, count, None, 0) for kind, count in counts.most_common())
    stops = (
        Refusal(
            "graph",
            "NIRGraph",
            "operations of this package; `deploy run --segments-in` runs its plain segments there"
            if trained
            else "operations of this package; `deploy export --plain` or `--segments` writes others",
        ),
    )
    here = [Place(name, refusals) for name in (("stepper",) if trained else ("lava-sim", "closed-form"))]
    others = [Place(name, stops) for name in (*HOLDERS, *IMPORTERS)]
    made_by = writer(graph, {})
    return Checkup(path, version, made_by, kinds, neurons, 0, None, (), None, (), refusals, (*here, *others), graph)


def _planned(graph: nir.NIRGraph, dt: float) -> tuple[Plan | None, list[Refusal]]:
    try:
        return make_plan(graph, dt), []
    except UnsupportedGraph as error:
        return None, list(error.refusals)


def _kinds(nodes: Mapping[str, nir.NIRNode], shapes: Mapping[str, tuple[int, ...]]) -> tuple[Kind, ...]:
    rows: list[Kind] = []
    for kind, count in Counter(type(node).__name__ for node in nodes.values()).most_common():
        names = [name for name, node in nodes.items() if type(node).__name__ == kind]
        known = all(name in shapes for name in names)
        values = sum(int(np.prod(shapes[name])) for name in names) if known else None
        rows.append(Kind(kind, count, values, sum(_parameters(nodes[name]) for name in names)))
    return tuple(rows)


def _parameters(node: nir.NIRNode) -> int:
    return sum(np.size(getattr(node, field)) for field in NUMBERS.get(type(node), ()))


def _type_error(graph: nir.NIRGraph) -> str | None:
    """Message of the error that nir.read with its type check would raise; None if it would raise none."""
    probe = copied(graph)
    try:
        probe.infer_types()
        probe.check_types()
    except Exception as error:  # nir's shape inference lets arbitrary exceptions through
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _places(plan: Plan | None, nodes: Mapping[str, nir.NIRNode], refusals: list[Refusal], dt: float) -> list[Place]:
    """Whether the graph runs here, in chips' integers, and in other simulators."""
    rows = [Place("lava-sim, closed-form", tuple(refusals))]
    if plan is not None:
        probe = _Probe(plan, dt)
        rows.append(Place("lava-sim --precision fixed", _stop(probe.fixed)))
        note = "" if probe.tried else f"layers of more than {LARGE:,} synapses: only the kinds of nodes were looked at"
        rows += [Place(name, _stop(lambda name=name: probe.held(name)), note) for name in HOLDERS]
    else:
        rows += [Place(name, tuple(refusals)) for name in ("lava-sim --precision fixed", *HOLDERS)]
    return [*rows, *(Place(name, tuple(tool.stops(nodes)), tool.remark) for name, tool in IMPORTERS.items())]


class _Probe:
    """Tries to hold a plan in chips' integers, with ranges from ``PROBE`` steps of random spikes."""

    method: Method = "euler"

    def __init__(self, plan: Plan, dt: float) -> None:
        rng = np.random.default_rng(0)
        self.plan, self.dt = plan, dt
        shapes = {name: plan.items[name].shape for name in plan.inputs}
        self.inputs = {name: (rng.random((1, PROBE, *shape)) < 0.5).astype(float) for name, shape in shapes.items()}

    @property
    def tried(self) -> bool:
        """Whether no layer has more than ``LARGE`` synapses."""
        items = [item for item in self.plan.items.values() if isinstance(item.node, WEIGHTED)]
        return max((math.prod(item.reads) * math.prod(item.shape) for item in items), default=0) <= LARGE

    def fixed(self) -> Program:
        """The program in Loihi's integers."""
        program = compile_float(self.plan, self.dt, self.method, "v_reset")
        peaks = interpret(program, self.inputs).peaks
        return compile_fixed(self.plan, peaks, self.inputs, self.dt, self.method, "v_reset")

    def held(self, name: str) -> Any:
        """Hold the plan in a chip's integers, or, if it is too large, only walk the chain; Xylo's resets subtract."""
        if not self.tried:
            return walk(self.plan, name)
        reset = "subtract" if name == "xylo" else "v_reset"
        return hold(name, Request(self.plan, self.fixed, self.inputs, self.dt, self.method, reset))


def _stop(attempt: Any) -> tuple[Refusal, ...]:
    try:
        attempt()
    except UnsupportedGraph as error:
        return tuple(error.refusals)
    except DeployError as error:
        return (Refusal("graph", "NIRGraph", str(error)),)
    return ()
