"""`deploy run FILE.nir` for whole.nir of `deploy trained`: stepped here, on Lava, or with segments in a simulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import nir
import numpy as np

from converters.trained.reference import read_out
from deploy.availability import chosen
from deploy.cautions import silent_network
from deploy.errors import DeployError
from deploy.options import GraphOptions
from deploy.progress import Progress
from deploy.results import RunResult
from deploy.sources.signals import load_signals
from deploy.trained.network import CALIBRATION, TrainedNetwork
from processes.batches import slices
from processes.spiking import Graph, Neuron
from targets.nir_graph.program import Traces, interpret
from targets.trained.program import compile_float
from targets.trained.segments import cut, run, simulated_by
from targets.trained.whole import restore

BATCH = 50
PLACES = ("stepper", "lava-sim")
OPTIONS = ("steps", "precision", "calib")
Runner = Callable[[dict[str, np.ndarray]], Traces]


def run_whole(
    graph: nir.NIRGraph, data: Path, target: str | None, samples: int, options: GraphOptions, progress: Progress,
    segments_in: str | None,
) -> RunResult:  # fmt: skip
    """Run the first ``samples`` samples of ``data``; outputs (samples, outputs) as the model's readout gives them.

    With precision "fixed" the network is calibrated anew, as by `deploy trained`, with one synapse for each weight.

    Args:
        data: images (samples, *frame), held for as many steps as the network takes, or frames (samples, T, *frame).
        target: "stepper" or "lava-sim"; None for the stepper.
        segments_in: a simulator that steps the plain segments in floating point, instead of ``target``.

    Raises:
        DeployError: an option is one that only standard graphs have, the data has another shape, or the target or the
            simulator is not available.
    """
    if given := [f.name for f in fields(options) if f.name not in OPTIONS and getattr(options, f.name) != f.default]:
        name = "from" if given[0] == "framework" else given[0]
        raise DeployError(
            f"--{name}: the file holds a trained network whole, which says how it steps; leave the option out"
        )
    place = target or PLACES[0]
    if place not in PLACES:
        raise DeployError(
            f"--target {target}: a trained network's file runs on {' or '.join(PLACES)}; give one of them"
        )
    if segments_in is not None and (options.precision == "fixed" or target is not None):
        raise DeployError("--segments-in: simulators step in floating point; leave out --target and --precision")
    network, frames, readout = restore(graph)

    def load(path: Path, count: int) -> tuple[np.ndarray, np.ndarray | None]:
        signals = load_signals(path, {network.input: network.frame}, count, options.steps or frames, None)
        x = signals.inputs[network.input]
        return x.reshape(*x.shape[:2], *network.nodes[network.input].shape).astype(np.float64), signals.labels

    x, labels = load(data, samples)
    if segments_in is not None:
        runner = _segments(network, segments_in)
    else:
        calib = None if options.precision == "float" else load(options.calib or data, CALIBRATION)[0]
        runner = _runner(network, calib, place)
    start = time.perf_counter()
    with progress.stage(f"run on {segments_in or place}", len(x)) as advance:
        outputs, spikes = [], 0
        for part in slices(len(x), BATCH):
            traces = runner({network.input: x[part]})
            found = traces.outputs[network.output]
            outputs.append(found.mean(1) if readout == "each" else read_out(found, readout))
            spikes += int(sum(trace.sum() for trace in traces.spikes.values()))
            advance(len(x[part]))
    y = np.concatenate(outputs).astype(np.float32)
    return RunResult(
        outputs=y.reshape(len(y), -1), labels=labels, class_names=(), spikes_per_sample=spikes / len(x),
        seconds_per_sample=(time.perf_counter() - start) / len(x), latency_steps=x.shape[1], target=segments_in or place,
        cautions=silent_network(spikes, (name for name, node in network.nodes.items() if isinstance(node.op, Neuron))),
    )  # fmt: skip


def _runner(network: Graph, calib: np.ndarray | None, place: str) -> Runner:
    """What steps the network: integers calibrated on ``calib`` (samples, T, *shape); floating point for None."""
    program = compile_float(network) if calib is None else TrainedNetwork.calibrated(network, calib).program()
    if place == "stepper":
        return lambda inputs: interpret(program, inputs)
    chosen(place, steps=True)
    from targets.nir_graph.lava import run_in_lava

    return lambda inputs: run_in_lava(program, inputs)


def _segments(network: Graph, simulator: str) -> Runner:
    """What steps the plain segments of the network in a simulator, and the rest here."""
    segments = cut(network)
    if not segments:
        raise DeployError("--segments-in: no layer of the network has standard neurons behind it; leave it out")
    step = simulated_by(simulator)

    def traces(inputs: dict[str, np.ndarray]) -> Traces:
        values = run(network, inputs[network.input], segments, step)
        fired = {name: values[name] for name, node in network.nodes.items() if node.fires}
        return Traces({network.output: values[network.output]}, fired)

    return traces
