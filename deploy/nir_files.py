"""`deploy run FILE.nir`: runs a NIR file on data: a standard graph, or a network that this package wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np

from deploy.availability import available, chosen
from deploy.cautions import of_graph
from deploy.errors import DeployError
from deploy.nir_presets import Preset, apply, recognised
from deploy.options import GraphOptions, check_choice
from deploy.options.graph import RESETS, STEPPINGS
from deploy.output import output_folder
from deploy.progress import Progress
from deploy.results import RunResult
from deploy.schema import Caution
from deploy.sources.signals import Signals, load_signals
from evaluator.nir_reader import read_file
from evaluator.nir_versions import Repair
from targets import registry
from targets.nir_graph.mend import mend
from targets.nir_graph.plan import flatten, make_plan
from targets.nir_run import TARGETS, Discretisation, GraphRun, run_graph, write_for_chip
from targets.trained.mark import is_whole

DEFAULT_DT = 1e-4
"""Time step in seconds where --dt, the graph and the data state none: that of the NIR paper's simulators."""


@dataclass(frozen=True)
class GraphResult:
    """The run of a standard graph.

    Attributes:
        run: what the run computed. how: time step, method, reset and arithmetic.
        labels: (N,) of the data, or None.
        weights: (T,), the weight of each step in an output's sum over time: levels B^-k in the last window of a graph
            that `deploy export --plain` wrote, whose latest spikes weigh most, and 0 before; 1 for other graphs.
        repairs: changes that let the file run. cautions: warnings about the run.
    """

    run: GraphRun
    how: Discretisation
    labels: np.ndarray | None
    weights: np.ndarray
    repairs: tuple[Repair, ...] = ()
    cautions: tuple[Caution, ...] = ()


def read_repaired(path: Path, dt: float | None = None) -> tuple[nir.NIRGraph, tuple[Repair, ...]]:
    """Read a NIR file and make every harmless repair; return the graph and the repairs.

    A network that this package wrote is not repaired. ``dt``: time step, which decides where cycles are cut; None for
    that of the graph's metadata, or ``DEFAULT_DT``.

    Raises:
        DeployError: the file cannot be read.
    """
    found = read_file(path)
    if "format" in found.graph.metadata:
        return found.graph, ()
    graph, repairs = mend(found.graph, dt or _number(found.graph, "dt") or DEFAULT_DT)
    return graph, (*found.repairs, *repairs)


def run_file(
    path: Path, data: Path | None, target: str | None, samples: int, granularity: str, options: GraphOptions,
    progress: Progress, segments_in: str | None = None,
) -> RunResult | GraphResult:  # fmt: skip
    """Run the first ``samples`` samples of ``data`` through the network in a NIR file.

    Args:
        target: None for Lava where it can run, else the stepper.
        segments_in: for networks of this package: a simulator that steps the plain segments, instead of ``target``.

    Returns:
        A GraphResult of a standard graph, a RunResult of a network that this package wrote.

    Raises:
        DeployError: the file, the data or the target cannot be used.
        UnsupportedGraph: nodes of the graph cannot run; the error lists all of them.
    """
    options.check()
    graph, repairs = read_repaired(path, options.dt)
    if data is None:
        raise DeployError(f"--input missing: {path} has no data with it; give an .npz or a NIR data file")
    if is_whole(graph):
        from deploy.nir_trained import run_whole

        return run_whole(graph, data, target, samples, options, progress, segments_in)
    if "format" in graph.metadata:
        from deploy.execute import execute
        from evaluator.network_file import restore

        network = restore(graph)
        x = load_signals(data, {"x": network.input_shape[1:]}, samples, 1, None).inputs["x"][:, 0]
        return execute(network, x.astype(np.float32), target, granularity, progress, segments_in)
    if segments_in is not None:
        raise DeployError(f"--segments-in: {path} is a standard graph, which is not cut; leave the option out")
    given = graph
    graph, preset = (graph, None) if options.framework is None else apply(options.framework, graph)
    if target is None:
        place, why = chosen(None)
        target = place.name
        progress.note([why] if why else [])
    check_choice("--target", target, registry())
    available(registry()[target], converted=False)
    if target not in TARGETS:
        raise DeployError(f"--target {target}: standard NIR graphs run on {', '.join(TARGETS)}")
    how = discretisation(options, graph, None, preset)
    plan = make_plan(graph, how.dt, how.method)
    shapes = {name: plan.items[name].shape for name in plan.inputs}
    signals = load_signals(data, shapes, samples, options.steps, how.dt)
    how = discretisation(options, graph, signals.dt, preset)
    calibration: Signals | None = None
    if options.calib is not None:
        calibration = load_signals(options.calib, shapes, None, options.steps, how.dt)
    progress.note(_left_open(given, options, preset))
    with progress.stage(f"run on {target}", len(next(iter(signals.inputs.values())))) as advance:
        ran = run_graph(
            graph, signals.inputs, how, target, granularity, calibration.inputs if calibration else None,
            lambda _: advance(1),
        )  # fmt: skip
    cautions = of_graph(plan, ran, how, graph)
    return GraphResult(ran, how, signals.labels, _weights(graph, ran.steps), repairs, cautions)


def _left_open(graph: nir.NIRGraph, options: GraphOptions, preset: Preset | None) -> list[str]:
    """A note on what the framework named by --from leaves open; without --from, on whose file this looks like."""
    if preset is not None:
        return [f"--from {options.framework}: its files do not tell {preset.open}"]
    name = recognised(graph, flatten(graph, [])[0])
    return [] if name is None else [f"the file looks like {name}'s; --from {name} takes its time step and its reset"]


def discretisation(
    options: GraphOptions, graph: nir.NIRGraph, dt: float | None, preset: Preset | None = None
) -> Discretisation:
    """Settings of a run: from the options, else the preset, the graph's metadata, the data's ``dt``, the defaults."""
    options.check()
    reset = options.reset or (preset.reset if preset else None) or _text(graph, "reset") or RESETS[0]
    method = options.method or (preset.method if preset else None) or _text(graph, "method") or STEPPINGS[0]
    check_choice("reset in the graph's metadata", reset, RESETS)
    check_choice("method in the graph's metadata", method, STEPPINGS)
    dt = options.dt or (preset.dt if preset else None) or _number(graph, "dt") or dt or DEFAULT_DT
    return Discretisation(dt, method, reset, options.precision, options.scale)  # type: ignore[arg-type]


def write_chip_files(
    path: Path, data: Path | None, chip: str, out: Path, options: GraphOptions, force: bool = False
) -> None:
    """`deploy export FILE.nir --format CHIP`: write a folder with the graph in the chip's integers and one sample.

    ``force`` replaces an earlier folder of this kind.

    Raises:
        DeployError: the file or the data cannot be used, or the chip cannot hold the graph.
    """
    options.check()
    graph, _ = read_repaired(path, options.dt)
    if data is None:
        raise DeployError("--input missing: spikes of a sample go with the network; give an .npz or a NIR data file")
    if "format" in graph.metadata:
        raise DeployError(
            f"{path}: a converted network has thresholds that fall with time, of which {chip} has no form"
        )
    how = discretisation(options, graph, None)
    plan = make_plan(graph, how.dt, how.method)
    signals = load_signals(data, {name: plan.items[name].shape for name in plan.inputs}, 1, options.steps, how.dt)
    with output_folder(out, force, ("run.py", "expected.npz")) as folder:
        write_for_chip(graph, signals.inputs, discretisation(options, graph, signals.dt), chip, folder)


def _weights(graph: nir.NIRGraph, steps: int) -> np.ndarray:
    """Weights (steps,) of :class:`GraphResult`; in a window longer than the code, its first step is silence."""
    base, window = _number(graph, "base"), _number(graph, "window")
    if base is None or window is None or not (0 < base <= 2 and 1 <= window <= steps):
        return np.ones(steps)
    size = int(window)
    levels = base ** -np.arange(size - 1, -1, -1.0)
    levels[0] *= size == _number(graph, "steps")  # in a window of T + 1 steps, this level means silence
    return np.concatenate([np.zeros(steps - size), levels])


def _text(graph: nir.NIRGraph, key: str) -> str | None:
    value = graph.metadata.get(key)
    return None if value is None else str(value.decode() if isinstance(value, bytes) else value)


def _number(graph: nir.NIRGraph, key: str) -> float | None:
    value = np.asarray(graph.metadata.get(key, 0.0))
    if value.size != 1 or value.dtype.kind not in "biuf" or not np.isfinite(value).all():
        raise DeployError(f"the graph's metadata has a {key} that is no number: {str(value)[:40]}; remove it")
    return float(value.item()) if key in graph.metadata else None
