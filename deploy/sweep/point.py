"""One point of a sweep: its conversion and measurement in a worker process."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numba
import numpy as np
import torch

from converters.pipeline import network_input
from deploy import measure
from deploy.energy import EventCounter, energy
from deploy.errors import DeployError
from deploy.language.beside import predicted
from deploy.options import ConvertOptions
from deploy.options.sweep import Point
from deploy.progress import Progress, stages
from deploy.schema import Cost, Failed, Joules, Measured
from deploy.sources import Data, LoadedModel, with_window
from deploy.steps import calibration_and_evaluation, convert_model, held_back, loaded_model
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.backends.devices import on_device
from processes.files import atomic_write


@dataclass(frozen=True)
class Material:
    """Model and data that points share, loaded once in each process.

    calibration: samples that set scales. judged: samples that points are measured on. classes: whether outputs are
    compared by predicted classes; otherwise as vectors.
    """

    model: LoadedModel
    calibration: Data
    judged: Data
    classes: bool


@functools.lru_cache(maxsize=2)
def load_material(shared: ConvertOptions, tokens: int | None) -> Material:
    """Load the model and the data that points share; with a budget, part of the calibration data is held back to judge.

    ``tokens``: length that text is cut to, for a language model the length of its windows; None for the default.
    """
    model = loaded_model(shared)
    if model.text is not None and model.text.causal:
        model = with_window(model, tokens)
    calibration, judged = calibration_and_evaluation(shared, model)
    classes = model.scores or judged.labels is not None
    if shared.loss is not None:
        (calibration, judged), classes = held_back(calibration), not shared.loss.cosine
    return Material(model, _cut(calibration, tokens), _cut(judged, tokens), classes)


def original(folder: Path, tokens: int | None = None) -> Path:
    """The file in a sweep's folder that keeps the original model's outputs, by length of texts."""
    return folder / f"original{'' if tokens is None else f'-{tokens}tokens'}.npy"


def keep_original(
    file: Path, model: LoadedModel, data: Data, batch: int, progress: Progress, device: str = "cpu"
) -> None:
    """Write the original model's outputs (N, *output), which every point is compared with; whole or not at all."""
    with on_device(device), stages(progress) as report:
        outputs = measure.ann_outputs(
            model.module, data.inputs, batch, lambda d, n: report("original model", d, n)
        ).outputs
    with atomic_write(file) as unfinished:
        np.save(unfinished, outputs)


def run_point(shared: ConvertOptions, point: Point, ann_file: Path) -> Measured | Failed:
    """Convert a point, run the judged samples through its closed form, and count events.

    ``ann_file``: the original model's outputs. A DeployError becomes a Failed point.
    """
    torch.set_num_threads(1)  # points run in parallel processes
    numba.set_num_threads(1)
    try:
        with on_device(shared.device):
            return _measure(shared, point, np.load(ann_file))
    except DeployError as error:
        return Failed(**vars(point), failed=str(error))


def _measure(shared: ConvertOptions, point: Point, ann: np.ndarray) -> Measured:
    material = load_material(shared, point.tokens)
    begin = time.perf_counter()
    conversion = convert_model(point.options(shared), material.model, material.calibration, Progress())
    network, labels, classes = conversion.network, material.judged.labels, material.classes
    inputs = network_input(conversion.front, list(material.judged.inputs.values()))
    events = EventCounter(network)
    found = measure.evaluate(ClosedForm(network), inputs, shared.batch_size, events=events)
    rung = measure.rung("spiking", found.outputs, ann, labels, classes)
    reference = measure.rung("original", ann, ann, labels, classes)
    losses = measure.expected_losses(found.outputs, ann) if classes else None
    language = predicted(material.model, ann, found.outputs, material.judged.inputs)
    return Measured(
        **vars(point),
        chosen_base=network.header.stated("base"),
        samples=len(found),
        ann_accuracy=reference.accuracy,
        accuracy=rung.accuracy,
        expected_loss=None if losses is None else float(losses.mean()),
        expected_loss_error=None if losses is None else float(losses.std() / len(losses) ** 0.5),
        agreement=rung.agreement,
        output_cosine=rung.output_cosine,
        relative_error=rung.relative_error,
        ann_perplexity=None if language is None else language.original_perplexity,
        perplexity=None if language is None else language.spiking_perplexity,
        latency_steps=timeline(network).period,
        spikes_per_neuron=found.spikes_per_neuron,
        saturations=sum(found.saturations.values()),
        synaptic_operations=events.totals["synaptic_operations"] / events.samples,
        energy={name: _joules(cost) for name, cost in energy(events).items()},
        seconds=time.perf_counter() - begin,
    )


def _joules(cost: Cost) -> Joules:
    """Microjoules by one convention, with its omitted terms."""
    return Joules(title=cost.title, snn=cost.everything, fp32=cost.ann.fp32.everything, int8=cost.ann.int8.everything)


def _cut(data: Data, tokens: int | None) -> Data:
    if tokens is None:
        return data
    first = next(iter(data.inputs.values()))
    if first.ndim != 2 or not np.issubdtype(first.dtype, np.integer):
        raise DeployError("--tokens cuts text; this model takes no token numbers, leave the option out")
    return replace(data, inputs={name: np.ascontiguousarray(array[:, :tokens]) for name, array in data.inputs.items()})
