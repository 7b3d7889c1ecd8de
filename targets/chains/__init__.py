"""Chips and emulators that run chains of plain spiking populations: standard NIR graphs, by ``deploy run FILE.nir --target``.

Each adapter brings the populations into its own integers (or says which one it cannot hold, and by how
much), steps them as its documentation says, in numpy, and has its simulator do the same in a Python of its own. Both
results come back, so that what the simulator did can be compared with what was expected of it, spike for spike.
"""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.target_run import Done, TargetRun
from processes.errors import DeployError
from processes.leftovers import scratch_folder
from processes.nir_nodes.neurons import Method, Reset
from targets.chains.chain import Chain
from targets.nir_graph.plan import Plan
from targets.nir_graph.program import Program, Traces
from targets.nir_graph.units import Rounding
from targets.tools import Tool

if TYPE_CHECKING:
    from processes.network import Network

WORKERS = Path(__file__).with_name("workers")
"""Programs that simulators' own Pythons run; beside no module that is named as what they import."""

HOLDERS = {
    "brian2-loihi": "targets.chains.loihi:brian2",
    "nengo-loihi": "targets.chains.loihi:nengo",
    "speck": "targets.chains.speck:hold",
    "xylo": "targets.chains.xylo:hold",
    "akida": "targets.chains.akida:hold",
    "spinnaker2": "targets.chains.spinnaker2:hold",
    "loihi2": "targets.chains.loihi:loihi2",
}
"""By target: "module:function", Request -> Held, imported when it is asked for. DeployError names what does not fit."""


@dataclass(frozen=True)
class Request:
    """A graph to run: its plan, what makes its program in Loihi's integers, and the inputs (samples, T, *shape) by name."""

    plan: Plan
    fixed: Callable[[], Program]
    inputs: Mapping[str, np.ndarray]
    dt: float
    method: Method
    reset: Reset


@dataclass(frozen=True)
class Held:
    """A chain in a holder's integers.

    Attributes:
        populations: name and shape of each, in order.
        source, sink: names of the graph's Input and Output.
        ours: one sample's input, int64 (T, sources), -> spikes of every population, int64 (T, neurons), stepped in numpy.
        theirs: the same by the holder's simulator; None for populations that it keeps to itself.
        roundings: largest relative error of each rounded parameter.
    """

    populations: tuple[tuple[str, tuple[int, ...]], ...]
    source: str
    sink: str
    ours: Callable[[np.ndarray], list[np.ndarray]]
    theirs: Callable[[np.ndarray], list[np.ndarray | None]]
    roundings: tuple[Rounding, ...] = ()


@dataclass(frozen=True)
class Worker:
    """A program for the Python of a simulator or SDK, and the layers that it steps, as named numbers and arrays."""

    tool: Tool
    program: Path
    layers: Sequence[Mapping[str, Any]]

    def __call__(self, spikes: np.ndarray) -> list[np.ndarray | None]:
        """Spikes of every layer, int64 (T, neurons), for spikes int64 (T, sources).

        Raises:
            DeployError: the tool is not installed, or it failed.
        """
        with scratch_folder(self.tool.name) as place:
            given, found = place / "network.npz", place / "spikes.npz"
            self.write(given, spikes)
            self.tool.run(self.program, given, found)
            with np.load(found) as out:
                return [out[f"spikes{i}"] for i in range(len(self.layers))]

    def write(self, path: Path, spikes: np.ndarray) -> None:
        """What the program reads."""
        arrays = {
            f"{name}{i}": np.asarray(value) for i, layer in enumerate(self.layers) for name, value in layer.items()
        }
        np.savez(path, spikes=spikes, layers=np.array(len(self.layers)), **arrays)  # type: ignore[arg-type]  # the fields' names


@dataclass(frozen=True)
class ChainRun:
    """``differing``: spikes (neuron and step) in which the simulator's result is not what our integers say."""

    traces: Traces
    roundings: tuple[Rounding, ...]
    differing: int
    seconds_per_sample: float


def held_by(
    tool: Tool,
    program: str,
    chain: Chain,
    integers: Sequence[tuple[dict[str, Any], list[Rounding]]],
    step_through: Callable[[list[dict[str, Any]], np.ndarray], list[np.ndarray]],
) -> Held:
    """A chain whose populations, each a layer and its roundings, a worker's ``program`` steps in the Python of ``tool``."""
    layers = [layer for layer, _ in integers]
    shapes = tuple((population.name, population.shape) for population in chain.populations)
    roundings = tuple(rounding for _, found in integers for rounding in found)
    theirs = Worker(tool, WORKERS / program, layers)
    return Held(shapes, chain.source, chain.sink, partial(step_through, layers), theirs, roundings)


def hold(target: str, request: Request) -> Held:
    """The graph in the integers of ``target``.

    Raises:
        DeployError: what does not fit there, or an input that is no spikes.
    """
    module, function = HOLDERS[target].split(":")
    held: Held = getattr(importlib.import_module(module), function)(request)
    x = np.asarray(request.inputs[held.source])
    if (x != np.rint(x)).any() or x.min(initial=0) < 0:
        raise DeployError(f"--target {target} takes spikes: whole numbers from 0, which the input is not")
    return held


def write_package(held: Held, x: np.ndarray, folder: Path) -> None:
    """One sample x (T, *shape) for a lab that has the SDK: network.npz, run.py that steps it there, and expected.npz.

    Raises:
        DeployError: the target takes no files.
    """
    if not isinstance(held.theirs, Worker):
        raise DeployError(
            "this target is written as no file; `deploy run FILE.nir --target` runs it where it is installed"
        )
    spikes = x.astype(np.int64).reshape(len(x), -1)
    held.theirs.write(folder / "network.npz", spikes)
    shutil.copyfile(held.theirs.program, folder / "run.py")
    np.savez(folder / "expected.npz", **{f"spikes{i}": fired for i, fired in enumerate(held.ours(spikes))})  # type: ignore[arg-type]


def run_chain(target: str, request: Request, done: Callable[[int], None] | None = None) -> ChainRun:
    """Run every sample in the simulator behind ``target`` and in our integers.

    Raises:
        DeployError: the graph, the input or the machine will not do.
    """
    held = hold(target, request)
    x = np.asarray(request.inputs[held.source])
    samples, steps = x.shape[:2]
    spikes = {name: np.zeros((samples, steps, *shape), np.int64) for name, shape in held.populations}
    differing, begin = 0, time.perf_counter()
    for sample, arriving in enumerate(x.astype(np.int64).reshape(samples, steps, -1)):
        ours, theirs = held.ours(arriving), held.theirs(arriving)
        for (name, shape), a, b in zip(held.populations, ours, theirs, strict=True):
            seen = a if b is None else b
            spikes[name][sample] = seen.reshape(steps, *shape)
            differing += int((a != seen).sum())
        if done is not None:
            done(sample)
    last = spikes[held.populations[-1][0]]
    traces = Traces({held.sink: last.astype(np.float64)}, {name: s != 0 for name, s in spikes.items()})
    return ChainRun(traces, held.roundings, differing, (time.perf_counter() - begin) / samples)


def run(network: Network, samples: np.ndarray, granularity: str = "", done: Done | None = None) -> TargetRun:
    """Converted networks do not run here.

    Raises:
        DeployError: always, and names the first population that is no LIF.
    """
    name, op = next((name, node.op.name) for name, node in network if node.op.fires)
    raise DeployError(
        f"this target runs standard integrate-and-fire populations; '{name}' is a {op}, whose threshold falls with time. "
        "Give a NIR file of such neurons (`deploy run FILE.nir`), or --target lava-sim"
    )


def rounding(name: str, parameter: str, got: np.ndarray, wanted: np.ndarray) -> Rounding:
    """How far the integers are from what they stand for, relative to the largest of them."""
    return Rounding.of(name, parameter, got, wanted)
