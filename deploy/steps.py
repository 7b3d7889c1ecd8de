"""The steps that a conversion in memory, the commands and their worker processes share."""

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
"""Samples held back for a search, at most; more would make it slow, not better."""


def loaded_model(options: ConvertOptions, trusted: bool = True) -> LoadedModel:
    """The model that options name; ``trusted`` as for :func:`deploy.sources.load_model`.

    Raises:
        DeployError: it cannot be loaded.
    """
    model = load_model(
        options.model, options.weights, options.seed, trusted=trusted, arguments=model_arguments(options.model_args),
        image=image_size(options.image_size),
    )  # fmt: skip
    return with_window(model, options.tokens)


def calibration_and_evaluation(options: ConvertOptions, model: LoadedModel) -> tuple[Data, Data]:
    """Samples that set the scales, and others that accuracy is measured on; texts of both at the same length.

    Raises:
        DeployError: files that are missing, unreadable, or of a shape that the model does not take.
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
    """Calibration samples that set scales while codes are searched for, and others, without labels, that codes are judged on.

    Raises:
        DeployError: there is one sample alone.
    """
    rest, judged = hold_out(calibration, min(0.5, MOST_JUDGED / len(calibration)))
    return rest, replace(judged, labels=None)


def host_input(model: LoadedModel, data: Data) -> np.ndarray:
    """The spiking network's input of a data set, whatever of the model stays on the host."""
    arguments = list(data.inputs.values())
    text = len(arguments) > 1 or np.issubdtype(arguments[0].dtype, np.integer)
    return network_input(front_end(model.module, arguments)[1] if text else None, arguments)


def convert_model(options: ConvertOptions, model: LoadedModel, calibration: Data, progress: Progress) -> Conversion:
    """What the options ask for.

    Raises:
        UnsupportedModel: with every operation that cannot be converted, before anything is.
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
    """Codes that options give to single layers, by pattern of their names."""
    return {pattern: Override(**given) for pattern, given in (options.by_layer or {}).items()}


def variant_of(options: ConvertOptions) -> Variant:
    """The choices between ways of doing the same that options make."""
    method = options.method if options.method in ("sit", "fs") else "spiked-attention"
    return Variant(options.residual, options.winner, options.softmax, method, options.exponential, options.activation)
