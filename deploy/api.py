"""What `import deploy` offers and the commands do: convert a model, in memory or from files; load and run a conversion."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import nn

from converters import pipeline
from deploy.arrays import Arguments, given_data, given_model
from deploy.availability import chosen
from deploy.conversion import Conversion
from deploy.examine import Examination, examine
from deploy.execute import execute
from deploy.options import ConvertOptions
from deploy.options.convert import Activation, Exponential, Method, Precision, Residual, Softmax, Winner
from deploy.origin import NO_TRUST, Origin, Trust, origin_of
from deploy.output import GRAPH, PAGE, output_folder, require_conversion
from deploy.progress import Progress
from deploy.report import Figures, read_figures, render
from deploy.results import RunResult
from deploy.schema import BudgetSearch, Report, read_report, write_report
from deploy.sources import Data, LoadedModel, hold_out
from deploy.sources.classes import label_lines
from deploy.sources.unseen import unseen_line
from deploy.steps import calibration_and_evaluation, convert_model, host_input, loaded_model
from deploy.sweep.budget import search
from deploy.trained.network import TrainedNetwork, is_trained, read_network
from evaluator.network_file import read, write
from processes.backends.devices import device_named, on_device
from processes.kernels.compiled import compiling
from processes.network import Network
from targets import registry

__all__ = ["Conversion", "convert", "convert_files", "evaluation_inputs", "load", "load_conversion", "run_files"]


def convert(
    module: nn.Module,
    calibration: Arguments,
    *,
    timesteps: int | Literal["auto"] | None = None,
    latency: int | None = None,
    base: float | Literal["auto"] = "auto",
    spikes: int | Literal["auto"] | None = None,
    input_spikes: int | None = None,
    precision: Precision = "fixed",
    method: Method = "spiked-attention",
    residual: Residual = "graded",
    winner: Winner = "graded",
    softmax: Softmax = "direct",
    exponential: Exponential = "extended",
    activation: Activation = "schedule",
    mask_rate: float | None = None,
    overrides: Mapping[str, Mapping[str, float | int]] | None = None,
    evaluation: Arguments | None = None,
    labels: Any = None,
    batch_size: int = 64,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Conversion:
    """Convert a trained module to a spiking network, in memory.

    Args:
        module: takes and returns float32 tensors; it is copied, and not changed.
        calibration: the module's arguments, each an array or tensor (N, *sample): one, a sequence, or a mapping by the names
            of forward's arguments. These samples set the scales of codes.
        timesteps: T, steps of a window; "auto" chooses one for each layer; None for the method's usual number, 40 (sit: 12).
        latency: of "auto", most steps from a sample's input to its answer; None for what 16 steps for all layers take.
        base: B in (1, 2], the ratio of neighbouring levels; "auto" chooses one for each layer.
        spikes: most spikes of a neuron in a window; "auto" adds a second one where it pays, and where T is chosen too takes 1
            to 3 for each layer, no more in all than 2 for every value; None for 1 (sit: 6).
        input_spikes: the same for the neurons that code the input; None for 2 (sit: 6).
        precision: "fixed", Loihi-style integers, or "float".
        method: "spiked-attention", "sit", or a baseline: "rate-coded", "qcfs", "snm", "mst", "fs".
        residual: how residual streams are handed on, as `deploy convert --help` explains it.
        winner: how softmax finds a row's largest logit, as `deploy convert --help` explains it.
        softmax: the variant of the race, as `deploy convert --help` explains it.
        exponential: sit's exponential, as `deploy convert --help` explains it.
        activation: sit's activations, as `deploy convert --help` explains it.
        mask_rate: share of spikes that mst masks at random; None for 0.25.
        overrides: base, spikes and timesteps of single layers by pattern of their names, {"blocks.*.mlp.*": {"spikes": 2}}.
        evaluation: samples that the report is measured on; None to hold back a fifth of ``calibration``, which then sets no
            scales.
        labels: (N,) classes of ``evaluation``, for accuracy.
        batch_size: samples evaluated together.
        device: where networks are evaluated, in conversion and afterwards: "cpu", "cuda", "cuda:N", or "auto".
        progress: shows how far it is, such as ``deploy.progress.BarProgress()``.

    Raises:
        UnsupportedModel: with every operation that cannot be converted, before anything is.
        DeployError: an option, the module or an array cannot be meant.
    """
    model = given_model(module, calibration)
    options = ConvertOptions(
        model=model.spec, method=method, timesteps=timesteps, latency=latency, base=None if base == "auto" else base,
        spikes=spikes, input_spikes=input_spikes, residual=residual, winner=winner, softmax=softmax, exponential=exponential,
        activation=activation, mask_rate=mask_rate, overrides=overrides, precision=precision, target="closed-form",
        batch_size=batch_size, device=str(device),
    )  # fmt: skip
    options.check(registry())
    scales = given_data(calibration, None, model, "calibration")
    if evaluation is None:
        scales, judged = hold_out(scales)
    else:
        judged = given_data(evaluation, labels, model, "evaluation")
    stages, seconds = _converted(options, model, scales, progress or Progress())
    return _conversion(options, model, stages, stages.network, scales, judged, seconds, progress or Progress())


def convert_files(options: ConvertOptions, progress: Progress | None = None) -> Conversion:
    """Convert a model that is named, on data in files, and write graph.nir, report.json and report.html.

    Under a budget, the cheapest code within it is searched for first, by worker processes: a script then has to call this
    under ``if __name__ == "__main__":``.

    Returns:
        The conversion, whose files are in ``options.folder()``.

    Raises:
        DeployError: whatever the user can put right; nothing half-written is left.
    """
    progress = progress or Progress()
    options.check(registry())
    options.check_paths()
    target, why = chosen(options.target)
    progress.note([why] if why else [])
    options = replace(options, target=target.name)
    with on_device(options.device), output_folder(options.folder(), options.force) as folder:
        with progress.stage("load the model and the data"):
            model = loaded_model(options)
            calibration, evaluation = calibration_and_evaluation(options, model)
        progress.note([*label_lines(evaluation.label_table), *unseen_line(calibration, evaluation, model)])
        found = None
        if options.budget is not None:
            classes = model.scores or evaluation.labels is not None
            found = search(options, model, calibration, classes, progress)
            options = found.options
        stages, seconds = _converted(options, model, calibration, progress)
        with progress.stage("write the network"):
            write(folder / GRAPH, stages.network)
            restored = read(folder / GRAPH)  # what runs from here on is what the file holds
        restored.units = stages.network.units
        conversion = _conversion(
            options, model, stages, restored, calibration, evaluation, seconds, progress,
            None if found is None else found.record,
        )  # fmt: skip
        conversion.write_report(folder)
        return conversion


def load(
    folder: Path | str, module: nn.Module | None = None, trust: bool | Trust = False, device: str = "cpu"
) -> Conversion | TrainedNetwork:
    """What a folder holds: a conversion, as :func:`load_conversion` reads it, or the network that ``deploy trained`` ran."""
    if is_trained(Path(folder)):
        return read_network(Path(folder))
    return load_conversion(folder, module, trust, device)


def load_conversion(
    folder: Path | str, module: nn.Module | None = None, trust: bool | Trust = False, device: str = "cpu"
) -> Conversion:
    """A conversion that ``deploy convert`` or :meth:`Conversion.save` wrote.

    The original model and its data are loaded again when something needs them. A model that was given as an object has to be
    given again, as ``module``, for what compares with it; its data too. A model from a Python file is imported again only
    with ``trust=True``, as importing runs its code; nothing else in a folder is code. ``device``: where it is evaluated from
    here on, whatever it was converted on.

    Raises:
        DeployError: the device is not here; the folder holds no conversion, or one that is damaged.
    """
    place = device_named(device)
    folder = require_conversion(Path(folder))
    network = read(folder / GRAPH)
    origin = origin_of(folder, trust=trust if isinstance(trust, Trust) else Trust(files=trust))
    if module is not None:
        origin.given = given_model(module)
    return Conversion(network, origin, partial(_read, folder), place)


def run_files(
    network: Path, data: Path | None, target: str | None, samples: int, granularity: str, progress: Progress | None = None,
    segments_in: str | None = None, trust: Trust = NO_TRUST, state_sets: int | None = None, device: str = "cpu",
) -> RunResult:  # fmt: skip
    """Run ``samples`` samples of ``data`` (None: the evaluation data of the conversion) on a target (None: Lava
    where it can run, else the stepper).

    ``segments_in``: instead, the closed form with its plain segments stepped by that simulator. What only
    that target tells (energy and latency of a simulated chip, ...) is added to report.json. ``state_sets``: samples overlap,
    and nodes hold up to so many at once. ``device``: where the closed form is evaluated.
    """
    folder = require_conversion(network)
    conversion = load_conversion(folder, trust=trust, device=device)
    origin = conversion.origin
    loaded = origin.evaluation if data is None else origin.load(data, conversion.network)
    loaded = loaded.take(slice(samples))
    inputs = host_input(origin.model, loaded)
    with on_device(conversion.device):
        result = execute(
            conversion.network, inputs, target, granularity, progress or Progress(), segments_in,
            loaded.labels, origin.model.class_names, state_sets,
        )  # fmt: skip
    report = read_report(folder)
    kept = tuple(caution for caution in report.warnings if caution.kind != "silent")
    result = replace(result, cautions=(*result.cautions, *kept))
    if result.measured:
        write_report(folder, replace(report, targets={**report.targets, result.target: dict(result.measured)}))
    return result


def evaluation_inputs(folder: Path, samples: int, trust: Trust = NO_TRUST) -> np.ndarray:
    """The spiking network's input (N, ...) of a conversion's first evaluation samples."""
    origin = origin_of(require_conversion(folder), trust=trust)
    return host_input(origin.model, origin.evaluation.take(slice(samples)))


def _converted(
    options: ConvertOptions, model: LoadedModel, calibration: Data, progress: Progress
) -> tuple[pipeline.Conversion, dict[str, float]]:
    """The stages of a conversion, and the seconds that it took without compiling kernels."""
    begin = time.perf_counter() - compiling()
    with on_device(options.device):
        stages = convert_model(options, model, calibration, progress)
    return stages, {"convert": time.perf_counter() - compiling() - begin}


def _conversion(
    options: ConvertOptions, model: LoadedModel, stages: pipeline.Conversion, network: Network, calibration: Data,
    evaluation: Data, seconds: Mapping[str, float], progress: Progress, budget: BudgetSearch | None = None,
) -> Conversion:  # fmt: skip
    """The conversion of which ``network`` is what runs; its report is measured when it is asked for."""

    def measured() -> tuple[Report, str, Figures]:
        work = Examination(options, model, stages, network, evaluation, progress)
        with on_device(options.device):
            report, figures = examine(work, chosen(options.target)[0], seconds, calibration)
        created = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
        report = replace(report, budget=budget, created=created)
        return report, render(report, figures), figures

    return Conversion(network, Origin(options, model, evaluation), measured, device_named(options.device))


def _read(folder: Path) -> tuple[Report, str, Figures]:
    return read_report(folder), (folder / PAGE).read_text(encoding="utf-8"), read_figures(folder)
