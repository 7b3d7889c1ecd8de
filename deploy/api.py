"""The functions behind `import deploy` and the commands: convert a model, load and run a conversion."""

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
        module: a trained torch.nn.Module with float32 weights; it is copied, and not changed.
        calibration: the module's arguments, each an array or tensor (N, *sample): one, a sequence, or a mapping by the names
            of forward's arguments. These samples set the scales of codes.
        timesteps: T, time steps of a window; "auto" chooses one for each layer; None for the method's default
            (spiked-attention and rate-coded 40; qcfs, snm and mst 32; fs 16; sit 12).
        latency: with timesteps "auto", the largest number of time steps from a sample's input to its answer; None for
            what windows of 16 steps in all layers would take.
        base: B in (1, 2], the ratio of neighbouring levels; "auto" chooses one for each layer.
        spikes: largest number of spikes of a neuron in a window; "auto" adds a second one where it pays and, with
            timesteps "auto" too, gives each layer 1 to 3, at most 2 per value on average. None for 1 (sit: 6).
        input_spikes: largest number of spikes of the neurons that code the input; None for 2 (sit: 6).
        precision: "fixed", Loihi-style integers, or "float".
        method: "spiked-attention", "sit", or a baseline: "rate-coded", "qcfs", "snm", "mst", "fs".
        residual: how residual streams are handed on, as `deploy convert --help` explains it.
        winner: how softmax finds a row's largest logit, as `deploy convert --help` explains it.
        softmax: how logits enter the softmax race, as `deploy convert --help` explains it.
        exponential: SI-exp's input range, of method "sit" only, as `deploy convert --help` explains it.
        activation: how method "sit" computes GELU and SiLU, as `deploy convert --help` explains it.
        mask_rate: share of spikes that method "mst" masks at random; None for 0.25.
        overrides: base, spikes and timesteps of single layers, by name pattern: {"blocks.*.mlp.*": {"spikes": 2}}.
        evaluation: arguments, as for ``calibration``, that the report is measured on; None to hold back a fifth of
            ``calibration``, which then sets no scales.
        labels: (N,) classes of ``evaluation``, for accuracy.
        batch_size: samples evaluated together.
        device: where networks are evaluated, in conversion and afterwards: "cpu", "cuda", "cuda:N", or "auto".
        progress: shows progress bars, such as ``deploy.progress.BarProgress()``; None shows nothing.

    Raises:
        UnsupportedModel: the module has operations that cannot be converted; the error lists all of them.
        DeployError: an option, the module or an array is not valid.
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
    """Convert a model given by name, on data in files, and write the conversion's folder.

    It holds graph.nir, report.json, report.html, figures.npz and run.yaml. With ``options.budget``, worker processes
    first search for the cheapest code within it: a script then has to call this under ``if __name__ == "__main__":``.

    Returns:
        The conversion, whose files are in ``options.folder()``.

    Raises:
        DeployError: an option, a file or the model is not valid, or no code stays within budget; nothing is written.
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
            restored = read(folder / GRAPH)  # everything below runs the file's network
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
    """Load a folder: a conversion (see :func:`load_conversion`), or the network that ``deploy trained`` wrote there."""
    if is_trained(Path(folder)):
        return read_network(Path(folder))
    return load_conversion(folder, module, trust, device)


def load_conversion(
    folder: Path | str, module: nn.Module | None = None, trust: bool | Trust = False, device: str = "cpu"
) -> Conversion:
    """Load a conversion that ``deploy convert`` or :meth:`Conversion.save` wrote.

    The original model and its data are loaded again only when a method needs them. If the model was given as an object,
    no folder keeps it or its data: pass it as ``module`` to compare with it, and pass data to each method. A model from
    a Python file is imported again only with ``trust=True``, because importing runs its code; nothing else in a folder
    is code. ``device``: where the network is evaluated from here on, whatever it was converted on.

    Raises:
        DeployError: the device is not available; the folder holds no conversion, or a damaged one.
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
    """Run the first ``samples`` samples of ``data`` on a target; its own measurements are added to report.json.

    Args:
        network: the folder of a conversion.
        data: a data file or folder; None for the conversion's evaluation data.
        target: None for Lava where it can run, else the stepper.
        segments_in: a simulator that steps the plain segments in place of ``target``, with the closed form between.
        state_sets: most samples that a node may hold at once when samples overlap; None to run one after the other.
        device: where the closed form is evaluated.

    Raises:
        DeployError: the folder, the data, the target or the simulator cannot be used.
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
    """The spiking network's input (N, ...), for the first ``samples`` evaluation samples of a conversion's folder."""
    origin = origin_of(require_conversion(folder), trust=trust)
    return host_input(origin.model, origin.evaluation.take(slice(samples)))


def _converted(
    options: ConvertOptions, model: LoadedModel, calibration: Data, progress: Progress
) -> tuple[pipeline.Conversion, dict[str, float]]:
    """The stages of a conversion, and {"convert": seconds} without the time that compiling kernels took."""
    begin = time.perf_counter() - compiling()
    with on_device(options.device):
        stages = convert_model(options, model, calibration, progress)
    return stages, {"convert": time.perf_counter() - compiling() - begin}


def _conversion(
    options: ConvertOptions, model: LoadedModel, stages: pipeline.Conversion, network: Network, calibration: Data,
    evaluation: Data, seconds: Mapping[str, float], progress: Progress, budget: BudgetSearch | None = None,
) -> Conversion:  # fmt: skip
    """A conversion that runs ``network``; the report is measured when it is first read."""

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
