"""One point of a sweep, converted and measured in a worker process."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np
import torch

from converters.pipeline import network_input
from deploy import measure
from deploy.conversion import calibration_and_evaluation, convert_model
from deploy.energy import EventCounter, energy
from deploy.errors import DeployError
from deploy.options import ConvertOptions
from deploy.progress import Progress
from deploy.report.write import plain
from deploy.sources import Data, LoadedModel, load_model
from targets.closed_form import ClosedForm
from targets.timeline import timeline


@dataclass(frozen=True)
class Point:
    """A combination of settings; tokens: length that text is cut to, None for all of it."""

    timesteps: int
    base: float | str
    method: str
    precision: str
    spikes: int | str
    tokens: int | None = None

    @property
    def name(self) -> str:
        """A file name."""
        length = "" if self.tokens is None else f"-{self.tokens}tokens"
        return f"T{self.timesteps}-B{self.base}-{self.method}-{self.precision}-{self.spikes}spikes{length}"

    def options(self, shared: ConvertOptions) -> ConvertOptions:
        """Those of a conversion at this point."""
        return replace(
            shared, timesteps=self.timesteps, base=cast(Any, self.base), method=self.method, precision=self.precision,
            spikes=cast(Any, self.spikes),
        )  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What points share: loaded once in each process."""

    model: LoadedModel
    calibration: Data
    evaluation: Data


@functools.lru_cache(maxsize=2)
def load_material(shared: ConvertOptions, tokens: int | None) -> Material:
    """Model and data, text cut to ``tokens``."""
    model = load_model(shared.model, shared.weights, shared.seed)
    calibration, evaluation = calibration_and_evaluation(shared, model)
    if shared.limit is not None:
        evaluation = evaluation.take(slice(shared.limit))
    return Material(model, _cut(calibration, tokens), _cut(evaluation, tokens))


def original(folder: Path, tokens: int | None) -> Path:
    """Where the original model's outputs are kept."""
    return folder / f"original{'' if tokens is None else f'-{tokens}tokens'}.npy"


def run_point(shared: ConvertOptions, point: Point, ann_file: Path) -> dict[str, Any]:
    """Convert, run the evaluation data through the closed form, count events; plain values for sweep.json."""
    torch.set_num_threads(1)  # points run beside one another
    numba.set_num_threads(1)
    about = {key: value for key, value in vars(point).items() if value is not None}
    try:
        return plain(about | _measure(shared, point, np.load(ann_file)))
    except DeployError as error:
        return plain(about | {"failed": str(error)})


def _measure(shared: ConvertOptions, point: Point, ann: np.ndarray) -> dict[str, Any]:
    material = load_material(shared, point.tokens)
    begin = time.perf_counter()
    conversion = convert_model(point.options(shared), material.model, material.calibration, Progress())
    network, labels = conversion.network, material.evaluation.labels
    inputs = network_input(conversion.front, list(material.evaluation.inputs.values()))
    events = EventCounter(network)
    found = measure.evaluate(ClosedForm(network), inputs, shared.batch_size, events=events)
    classes = material.model.classes is not None or labels is not None
    rung = measure.rung("spiking", found.outputs, ann, labels, classes)
    reference = measure.rung("original", ann, ann, labels, classes)
    return {
        "chosen_base": network.about["base"],
        "samples": len(found),
        "ann_accuracy": reference.accuracy,
        "accuracy": rung.accuracy,
        "agreement": rung.agreement,
        "output_cosine": rung.output_cosine,
        "relative_error": rung.relative_error,
        "latency_steps": timeline(network).period,
        "spikes_per_neuron": found.spikes_per_neuron,
        "saturations": sum(found.saturations.values()),
        "synaptic_operations": events.totals["synaptic_operations"] / events.samples,
        "energy": {name: _joules(entry) for name, entry in energy(events).items()},
        "seconds": time.perf_counter() - begin,
    }


def _joules(entry: dict[str, Any]) -> dict[str, Any]:
    """Microjoules with everything that was counted."""
    every = "microjoules_with_omitted"
    original = {name: ann.get(every) or ann["microjoules"] for name, ann in entry["ann"].items()}
    return {"title": entry["title"], "snn": entry[f"snn_{every}"] or entry["snn_microjoules"], **original}


def _cut(data: Data, tokens: int | None) -> Data:
    if tokens is None:
        return data
    first = next(iter(data.inputs.values()))
    if first.ndim != 2 or not np.issubdtype(first.dtype, np.integer):
        raise DeployError("--tokens cuts text; this model takes no token numbers, leave the option out")
    return replace(data, inputs={name: np.ascontiguousarray(array[:, :tokens]) for name, array in data.inputs.items()})
