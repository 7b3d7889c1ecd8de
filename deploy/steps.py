"""Steps of a conversion that the Python interface, the commands and their worker processes share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converters.integrate_and_fire import MASK_RATE, convert_integrate_and_fire
from converters.overrides import Override
from converters.pipeline import Conversion, Variant, convert_module, front_end, network_input
from converters.rate import convert_rate_coded
from deploy.options import ConvertOptions
from deploy.options.config import image_size, model_arguments
from deploy.progress import Progress, stages
from deploy.sources import (
    Data,
    LoadedModel,
    hold_out,
    load_both,
    load_calibration,
    load_data,
    load_model,
    with_length,
    with_window,
)

MOST_JUDGED = 1000
"""Largest number of samples held back to judge codes in a search; more would slow it down without improving it."""


def loaded_model(options: ConvertOptions, trusted: bool = True) -> LoadedModel:
    """Load the model that options name; ``trusted``: whether a Python file may be imported for it.

    Raises:
        DeployError: the model cannot be loaded, or is in a Python file and not trusted.
    """
    model = load_model(
        options.model, options.weights, options.seed, trusted=trusted, arguments=model_arguments(options.model_args),
        image=image_size(options.image_size),
    )  # fmt: skip
    return with_window(model, options.tokens)


def calibration_and_evaluation(options: ConvertOptions, model: LoadedModel) -> tuple[Data, Data]:
    """Load the samples that set scales and those that accuracy is measured on; texts of both get the same length.

    If only calibration data is given, a fifth of it is held back for evaluation.

    Raises:
        DeployError: a file is missing, unreadable, or holds samples of a shape that the model does not take.
    """
    if options.calib is not None and options.evaluation is None:
        return load_both(options.calib, model, options.calib_limit, options.limit, options.seed, options.label_map)
    calibration = load_calibration(options.calib, model, options.calib_limit, options.seed)
    evaluation = load_data(options.evaluation, model, "evaluation", limit=options.limit, labels=options.label_map)
    if model.text is None:
        return calibration, evaluation
    tokens = max(data.inputs["input_ids"].shape[1] for data in (calibration, evaluation))
    return with_length(calibration, tokens), with_length(evaluation, tokens)


def held_back(calibration: Data) -> tuple[Data, Data]:
    """Split calibration data for a search: samples that set scales, and samples, without labels, that judge codes.

    Half of the samples judge, or ``MOST_JUDGED`` if that is fewer.

    Raises:
        DeployError: there is only one sample.
    """
    rest, judged = hold_out(calibration, min(0.5, MOST_JUDGED / len(calibration)))
    return rest, replace(judged, labels=None)


def host_input(model: LoadedModel, data: Data) -> np.ndarray:
    """The spiking network's input (N, *input) for a data set; a text model's front end runs on the host."""
    arguments = list(data.inputs.values())
    text = len(arguments) > 1 or np.issubdtype(arguments[0].dtype, np.integer)
    return network_input(front_end(model.module, arguments)[1] if text else None, arguments)


def convert_model(options: ConvertOptions, model: LoadedModel, calibration: Data, progress: Progress) -> Conversion:
    """Convert a model by the method, code and precision that the options ask for.

    Raises:
        UnsupportedModel: the model has operations that cannot be converted; the error lists all of them.
    """
    code = options.code
    with stages(progress) as report:
        if options.method == "rate-coded":
            arguments = list(calibration.inputs.values())
            return convert_rate_coded(model.module, arguments, int(code.timesteps), options.batch_size)
        if options.method in ("qcfs", "snm", "mst"):
            asked = MASK_RATE if options.mask_rate is None else options.mask_rate
            masked = asked if options.method == "mst" else 0.0
            arguments = list(calibration.inputs.values())
            return convert_integrate_and_fire(
                model.module, arguments, options.method, int(code.timesteps), options.batch_size, masked, options.seed
            )
        return convert_module(
            model.module,
            list(calibration.inputs.values()),
            None if code.timesteps == "auto" else int(code.timesteps),
            None if code.base == "auto" else float(code.base),
            fixed=options.precision == "fixed",
            spikes=None if code.spikes == "auto" else int(code.spikes),
            input_spikes=code.input_spikes,
            variant=variant_of(options),
            batch=options.batch_size,
            progress=report,
            overrides=overrides_of(options),
            latency=options.latency,
        )


def overrides_of(options: ConvertOptions) -> dict[str, Override]:
    """T, B and spikes that options set for single layers, by pattern of layer names."""
    return {pattern: Override(**given) for pattern, given in (options.by_layer or {}).items()}


def variant_of(options: ConvertOptions) -> Variant:
    """The variant of the conversion that options choose: residual streams, softmax, exponential and activations."""
    method = options.method if options.method in ("sit", "fs") else "spiked-attention"
    return Variant(options.residual, options.winner, options.softmax, method, options.exponential, options.activation)
