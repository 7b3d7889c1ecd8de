"""The run of `deploy trained`: load and capture a model, compare it with the original, run it, count events, write."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from converters.trained import capture
from converters.trained.leaves import neurons
from converters.trained.readings import Reading
from converters.trained.reference import read_out, readout, run_original
from deploy.errors import DeployError
from deploy.output import output_folder
from deploy.progress import Progress
from deploy.sources.archives import read_arrays
from deploy.sources.model import load_model
from deploy.trained.count import Counting, tallies
from deploy.trained.energy import energies
from deploy.trained.events import are_events, binned
from deploy.trained.network import CALIBRATION, TrainedNetwork
from deploy.trained.options import TrainedOptions
from deploy.trained.report import REPORT, Run, TrainedReport
from deploy.trained.verify import KEPT, on_lava, write_samples
from processes.errors import UnsupportedGraph
from processes.spiking import Graph, Levels, Neuron
from targets.nir_graph.program import interpret
from targets.trained.nir import write_standard
from targets.trained.program import compile_float
from targets.trained.whole import write_whole

NIR_FILE, WHOLE_FILE = "graph.nir", "whole.nir"
COMPARED = 8
"""How many samples are compared with the original spike for spike, in float64."""
BATCH = 50
OUTPUT_MARGIN = 1e-6  # some modules cast to float32 on the way


@dataclass(frozen=True)
class Loaded:
    """A captured model and its data.

    Attributes:
        model: the original module.
        neurons: by name of a neuron module, its equations.
        graph: the captured network of one time step.
        x: data as frames (samples, T, *shape), float64.
        labels: (samples,) integers, or None.
        calib: calibration data as frames (samples, T, *shape).
    """

    model: nn.Module
    neurons: dict[str, Reading]
    graph: Graph
    x: np.ndarray
    labels: np.ndarray | None
    calib: np.ndarray


def run_trained(options: TrainedOptions, progress: Progress) -> TrainedReport:
    """Run `deploy trained`: write the report, the network and NIR files into the output folder, and return the report.

    Raises:
        DeployError: options, data or model cannot be used, or the captured network's spikes are not the model's own; as
            converters.trained.Uncaptured it names all modules that cannot be captured.
    """
    options.check()
    with output_folder(options.out, options.force, (REPORT,)) as folder:
        loaded = load(options)
        report = _report(options, loaded, folder, progress)
        (folder / REPORT).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return report


def load(options: TrainedOptions) -> Loaded:
    """Load and capture the model, and read its data."""
    if ".py:" not in options.model:
        raise DeployError(f"--model {options.model}: a spiking module is named as path/file.py:callable")
    model = load_model(options.model, options.weights).module
    x, labels = read_frames(options.data, options)
    calib = x[:CALIBRATION] if options.calib is None else read_frames(options.calib, options)[0][:CALIBRATION]
    shape = x.shape[2:]
    form: Any = options.form
    graph = capture(model, shape, form, options.frames)
    return Loaded(model, neurons(model), graph, x, labels, calib)


def read_frames(path: Path, options: TrainedOptions) -> tuple[np.ndarray, np.ndarray | None]:
    """Read data as frames (samples, T, *shape) float64, and labels (samples,) or None.

    Arrays without a time axis of T frames are repeated T times; uint8 is divided by 255.

    Raises:
        DeployError: the file is missing or unreadable, or its arrays are not as they should be.
    """
    if path.exists() and are_events(path):
        if options.form == "static":
            raise DeployError(f"--data {path}: events make a frame for each step; give --form sequence, batch or step")
        return binned(path, options.frames, options.split, options.pixels(), options.samples)
    if not path.is_file():
        raise DeployError(f"--data {path}: no such file; give an .npz with x and y")
    arrays = read_arrays(path)
    x = arrays.get("x")
    if x is None or x.dtype.kind not in "fiub" or x.ndim < 2 or not len(x):
        raise DeployError(f"{path}: holds no array x (samples, ...) of numbers")
    x = x[: options.samples].astype(np.float64) / (255 if x.dtype == np.uint8 else 1)
    if not np.isfinite(x).all():
        raise DeployError(f"{path}: x holds NaN or infinity; remove those samples")
    labels = arrays.get("y")
    labels = None if labels is None else np.asarray(labels)[: options.samples]
    if labels is not None and (labels.shape != (len(x),) or labels.dtype.kind not in "iu"):
        raise DeployError(f"{path}: labels y are {labels.dtype} {labels.shape}; give one integer for each sample")
    framed = options.form != "static" and x.ndim > 2 and x.shape[1] == options.frames
    if not framed:
        x = np.repeat(x[:, None], options.frames, axis=1)
    return x, labels


def _report(options: TrainedOptions, loaded: Loaded, folder: Path, progress: Progress) -> TrainedReport:
    graph, x = loaded.graph, loaded.x
    form: Any = options.form
    inside = graph.nodes[graph.input].shape
    shaped = x.reshape(*x.shape[:2], *inside)
    floating = compile_float(graph)
    original = run_original(loaded.model, x[:COMPARED], form, graph, loaded.neurons, torch.float64)
    ours = interpret(floating, {graph.input: shaped[:COMPARED]})
    differing = {name: int((ours.spikes[name] != theirs).sum()) for name, theirs in original.spikes.items()}
    compared = sum(theirs.size for theirs in original.spikes.values())
    if sum(differing.values()) > 1e-5 * compared:
        worst = max(differing, key=lambda name: differing[name])
        raise DeployError(
            f"{options.model}: {sum(differing.values())} of {compared} spikes are not the model's own, most in {worst}; what "
            f"it does between frames has to be in its neurons, and --form {form} has to be what its forward takes"
        )
    how = readout(ours.outputs[graph.output], original.output, OUTPUT_MARGIN, form)
    single = run_original(loaded.model, x[:COMPARED], form, graph, loaded.neurons, torch.float32)
    rounded = sum(int((single.spikes[name] != spikes).sum()) for name, spikes in original.spikes.items())
    theirs = _originals(loaded, form, how)
    calib = loaded.calib.reshape(*loaded.calib.shape[:2], *inside)
    network = TrainedNetwork.calibrated(graph, calib, options.synapses)
    network.write(folder)
    write_samples(folder, shaped[:KEPT])
    write_whole(graph, folder / WHOLE_FILE, options.frames, how)
    fixed = network.program("fixed")
    spikes_arrive = tallies(x)
    counting = Counting(graph, floating, spikes_arrive)
    first = _run(counting, shaped, how, loaded.labels, theirs, progress, "floating point")
    integers = Counting(graph, fixed, spikes_arrive)
    second = _run(integers, shaped, how, loaded.labels, theirs, progress, "fixed point")
    few = {graph.input: shaped[:COMPARED]}
    stepped = interpret(fixed, few)
    changed = np.mean([(stepped.spikes[name] != s[:COMPARED]).mean() for name, s in ours.spikes.items()])
    return TrainedReport(
        model=options.model, form=options.form, frames=options.frames, neurons=_neurons(graph), nodes=len(graph.nodes),
        readout=how, compared_spikes=compared, differing_from_original=sum(differing.values()), changed_by_float32=rounded,
        silent=[name for name, spikes in original.spikes.items() if not spikes.any()],
        original_accuracy=_accuracy(theirs, loaded.labels), floating=first, fixed=second, spikes_changed=float(changed),
        overflows=stepped.overflows, largest_rounding=max((e.error for e in fixed.errors), default=0.0),
        lava=on_lava(graph, fixed, shaped[: options.lava_samples], progress) if options.lava_samples else None,
        standard_nir=_standard(graph, folder),
        **dict(energies(counting)),
    )  # fmt: skip


def _originals(loaded: Loaded, form: Any, how: str) -> np.ndarray:
    """Outputs of the original model in float32, (samples, outputs); the mean over steps if it returns each step's."""
    found: list[np.ndarray] = []
    for start in range(0, len(loaded.x), BATCH):
        part = loaded.x[start : start + BATCH]
        output = run_original(loaded.model, part, form, loaded.graph, loaded.neurons, torch.float32).output
        output = output.mean(1 if form == "batch" else 0) if how == "each" else output
        found.append(output.reshape(len(part), -1))
    return np.concatenate(found)


def _run(
    counting: Counting,
    x: np.ndarray,
    how: str,
    labels: np.ndarray | None,
    theirs: np.ndarray,
    progress: Progress,
    name: str,
) -> Run:
    outputs: list[np.ndarray] = []
    spikes, begin = 0, time.perf_counter()
    with progress.stage(f"run in {name}", len(x)) as advance:
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH]
            y, fired = counting.run(part)
            spikes += sum(int(trace.sum()) for trace in fired.values())
            y = y.mean(1) if how == "each" else read_out(y, how)
            outputs.append(y.reshape(len(part), -1))
            advance(len(part))
    seconds = (time.perf_counter() - begin) / len(x)
    found = np.concatenate(outputs)
    agreement = float((found.argmax(1) == theirs.argmax(1)).mean())
    return Run(
        samples=len(x), accuracy=_accuracy(found, labels), agreement=agreement, spikes=spikes / len(x),
        seconds_per_sample=seconds,
    )  # fmt: skip


def _accuracy(outputs: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float((outputs.argmax(1) == labels).mean())


def _standard(graph: Graph, folder: Path) -> str:
    try:
        write_standard(graph, folder / NIR_FILE)
    except UnsupportedGraph as error:
        named = "; ".join(f"{r.node}: {r.reason}" for r in error.refusals[:5])
        more = f"; and {len(error.refusals) - 5} more" if len(error.refusals) > 5 else ""
        return f"none: {named}{more}"
    return NIR_FILE


def _neurons(graph: Graph) -> int:
    """Number of neurons; a population that sends its state as well as spikes has two nodes, and is counted once."""
    sizes: dict[int, int] = {}
    for node in graph.nodes.values():
        if isinstance(node.op, Neuron | Levels):
            sizes[id(node.op.rule if isinstance(node.op, Neuron) else node)] = int(np.prod(node.shape))
    return sum(sizes.values())
