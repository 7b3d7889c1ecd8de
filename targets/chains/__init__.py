"""Chips and emulators that run chains of plain spiking populations: standard NIR graphs, by ``deploy run --target``.

An adapter (holder) converts the populations to the chip's integers, or names the population that does not fit and by
how much. It then steps them twice: in numpy, by the equations of the chip's documentation, and in the chip's simulator,
which runs in a Python environment of its own. Both results are returned and compared spike for spike.
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
"""Programs for simulators' own Pythons, in a folder without modules that would shadow the packages they import."""

HOLDERS = {
    "brian2-loihi": "targets.chains.loihi:brian2",
    "nengo-loihi": "targets.chains.loihi:nengo",
    "speck": "targets.chains.speck:hold",
    "xylo": "targets.chains.xylo:hold",
    "akida": "targets.chains.akida:hold",
    "spinnaker2": "targets.chains.spinnaker2:hold",
    "loihi2": "targets.chains.loihi:loihi2",
}
"""By target: "module:function" of the adapter, Request -> Held, imported on use; it raises DeployError for misfits."""


@dataclass(frozen=True)
class Request:
    """A standard graph to run on a chain target.

    Attributes:
        plan: the graph, flat and ordered.
        fixed: makes the program in Loihi's integers, for the targets that take these.
        inputs: (samples, T, *shape) in real units, by name of the Input.
        dt, method, reset: how the graph's equations become time steps (:class:`targets.nir_run.Discretisation`).
    """

    plan: Plan
    fixed: Callable[[], Program]
    inputs: Mapping[str, np.ndarray]
    dt: float
    method: Method
    reset: Reset


@dataclass(frozen=True)
class Held:
    """A chain of populations in the integers of one holder (an adapter of a chip or emulator).

    Attributes:
        populations: name and shape of each, in order.
        source, sink: names of the graph's Input and Output.
        ours: one sample's input, int64 (T, sources), -> spikes of every population, int64 (T, neurons), stepped in numpy.
        theirs: one sample's input -> spikes of every population by the simulator; None for those it does not return.
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
    """Steps layers by a program in the Python of a simulator or SDK.

    Attributes:
        tool: the simulator or SDK.
        program: path of the program, called with the paths of an input and an output .npz file.
        layers: parameters of each layer, numbers and arrays by name.
    """

    tool: Tool
    program: Path
    layers: Sequence[Mapping[str, Any]]

    def __call__(self, spikes: np.ndarray) -> list[np.ndarray | None]:
        """Run the program and return the spikes of every layer, int64 (T, neurons), for spikes int64 (T, sources).

        Raises:
            DeployError: the tool is not installed, or the program failed.
        """
        with scratch_folder(self.tool.name) as place:
            given, found = place / "network.npz", place / "spikes.npz"
            self.write(given, spikes)
            self.tool.run(self.program, given, found)
            with np.load(found) as out:
                return [out[f"spikes{i}"] for i in range(len(self.layers))]

    def write(self, path: Path, spikes: np.ndarray) -> None:
        """Write the program's input: ``spikes``, the number of ``layers``, and NAMEi for each parameter of layer i."""
        arrays = {
            f"{name}{i}": np.asarray(value) for i, layer in enumerate(self.layers) for name, value in layer.items()
        }
        np.savez(path, spikes=spikes, layers=np.array(len(self.layers)), **arrays)  # type: ignore[arg-type]  # the fields' names


@dataclass(frozen=True)
class ChainRun:
    """Result of running samples in the simulator behind a chain target.

    Attributes:
        traces: the simulator's spikes; of populations whose spikes it does not return, those stepped in numpy.
        roundings: largest relative error of each rounded parameter.
        differing: number of (neuron, step) at which the simulator's spikes differ from those stepped in numpy.
    """

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
    """A chain that ``step_through`` steps in numpy, and ``program`` of WORKERS in the Python of ``tool``.

    ``integers`` holds the layer's parameters and their roundings for each population.
    """
    layers = [layer for layer, _ in integers]
    shapes = tuple((population.name, population.shape) for population in chain.populations)
    roundings = tuple(rounding for _, found in integers for rounding in found)
    theirs = Worker(tool, WORKERS / program, layers)
    return Held(shapes, chain.source, chain.sink, partial(step_through, layers), theirs, roundings)


def hold(target: str, request: Request) -> Held:
    """Convert the graph to the integers of ``target``.

    Raises:
        DeployError: something does not fit there, or the input is not spikes (whole numbers from 0).
    """
    module, function = HOLDERS[target].split(":")
    held: Held = getattr(importlib.import_module(module), function)(request)
    x = np.asarray(request.inputs[held.source])
    if (x != np.rint(x)).any() or x.min(initial=0) < 0:
        raise DeployError(f"--target {target} takes spikes: whole numbers from 0, which the input is not")
    return held


def write_package(held: Held, x: np.ndarray, folder: Path) -> None:
    """Write files for a lab that has the SDK, with one sample x (T, *shape) of spikes, into an existing folder.

    network.npz holds layers and input, run.py steps them with the SDK, expected.npz holds the spikes stepped in numpy.

    Raises:
        DeployError: the target is not run by a program that reads files.
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
        DeployError: the graph or the input does not fit the target, or the simulator is missing or failed.
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
    """Refuse a converted network: chain targets run standard graphs only (``deploy run FILE.nir``).

    Raises:
        DeployError: always; the message names the network's first firing node.
    """
    name, op = next((name, node.op.name) for name, node in network if node.op.fires)
    raise DeployError(
        f"this target runs standard integrate-and-fire populations; '{name}' is a {op}, whose threshold falls with time. "
        "Give a NIR file of such neurons (`deploy run FILE.nir`), or --target lava-sim"
    )


def rounding(name: str, parameter: str, got: np.ndarray, wanted: np.ndarray) -> Rounding:
    """Largest error of integers ``got`` for real values ``wanted`` in the same units, relative to the largest value."""
    return Rounding.of(name, parameter, got, wanted)
