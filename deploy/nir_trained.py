"""`deploy run FILE.nir` of a network that `deploy trained` wrote whole: stepped here, or its plain segments in a simulator."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path

import nir
import numpy as np

from converters.trained.reference import read_out
from deploy.cautions import silent_network
from deploy.errors import DeployError
from deploy.options import GraphOptions
from deploy.progress import Progress
from deploy.results import RunResult
from deploy.sources.signals import load_signals
from processes.batches import slices
from processes.spiking import Graph, Neuron
from targets.nir_graph.program import interpret
from targets.trained.program import compile_float
from targets.trained.segments import cut, run, simulated_by
from targets.trained.whole import restore

BATCH = 50
PLACE = "stepper"


def run_whole(
    graph: nir.NIRGraph, data: Path, target: str | None, samples: int, options: GraphOptions, progress: Progress,
    segments_in: str | None,
) -> RunResult:  # fmt: skip
    """Run the first ``samples`` samples in floating point; outputs as the model reads them out, (samples, *output).

    Args:
        data: images (samples, *frame), held for as many steps as the network takes, or frames (samples, T, *frame).
        segments_in: a simulator that steps the plain segments.

    Raises:
        DeployError: an option that only standard graphs have, data of another shape, or a simulator that is not there.
    """
    if given := [f.name for f in fields(options) if f.name != "steps" and getattr(options, f.name) != f.default]:
        name = "from" if given[0] == "framework" else given[0]
        raise DeployError(
            f"--{name}: the file holds a trained network whole, which says how it steps and runs in floating point; leave "
            "it out, or give the folder of deploy trained"
        )
    if target not in (None, PLACE):
        raise DeployError(f"--target {target}: a trained network's file runs on {PLACE}; leave the option out")
    network, frames, readout = restore(graph)
    signals = load_signals(data, {network.input: network.frame}, samples, options.steps or frames, None)
    x = signals.inputs[network.input]
    x = x.reshape(*x.shape[:2], *network.nodes[network.input].shape).astype(np.float64)
    start = time.perf_counter()
    with progress.stage(f"run on {segments_in or PLACE}", len(x)) as advance:
        outputs, spikes = [], 0
        for part in slices(len(x), BATCH):
            found, fired = _run(network, x[part], segments_in)
            outputs.append(found.mean(1) if readout == "each" else read_out(found, readout))
            spikes += fired
            advance(len(x[part]))
    y = np.concatenate(outputs).astype(np.float32)
    return RunResult(
        outputs=y.reshape(len(y), -1), labels=signals.labels, class_names=(), spikes_per_sample=spikes / len(x),
        seconds_per_sample=(time.perf_counter() - start) / len(x), latency_steps=x.shape[1], target=segments_in or PLACE,
        cautions=silent_network(spikes, (name for name, node in network.nodes.items() if isinstance(node.op, Neuron))),
    )  # fmt: skip


def _run(network: Graph, x: np.ndarray, segments_in: str | None) -> tuple[np.ndarray, int]:
    """Outputs (samples, T, *shape), and how many spikes all neurons sent."""
    if segments_in is not None:
        segments = cut(network)
        if not segments:
            raise DeployError("--segments-in: no layer of the network has standard neurons behind it; leave it out")
        values = run(network, x, segments, simulated_by(segments_in))
        firing = [name for name, node in network.nodes.items() if node.fires]
        return values[network.output], int(sum(values[name].sum() for name in firing))
    traces = interpret(compile_float(network), {network.input: x})
    return traces.outputs[network.output], int(sum(spikes.sum() for spikes in traces.spikes.values()))
