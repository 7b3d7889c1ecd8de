"""Checks on data before any work is spent on it; every error is one line that names the array and the remedy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import InputSpec, LoadedModel
from deploy.sources.samples import Data

LARGEST = 1e18
"""Largest magnitude of data whose square, which error measures use, is still finite in 32-bit floating point."""
ALONE = 1e-2
"""Largest difference, as a share of the largest output, between a sample's output alone and in a batch of two.

Kernels may sum in another order for another batch size; a larger difference means that samples influence each other.
"""


def check_data(data: Data, model: LoadedModel, role: str) -> Data:
    """Check data against a model, and convert its arrays to float32 or int64 and its labels to int64.

    Runs the model on the first sample. Images given as uint8 become float32 in [0, 1].

    Args:
        data: samples as they were read.
        model: the model that takes them.
        role: "calibration", whose class numbers are dropped unchecked, or "evaluation".

    Raises:
        DeployError: an array is empty, not finite, of another length, dtype or shape than the model takes, or (images)
            not raw pixels; token numbers exceed the vocabulary; labels are no class numbers; the model fails on a
            sample.
    """
    inputs = {name: _input(data.inputs[name], name, spec, data.source, model) for name, spec in model.inputs.items()}
    if model.image is not None and not data.transform:  # pixels of files may lie outside [0, 1]: resampling overshoots
        _check_raw(inputs, data.source)
    lengths = {name: len(array) for name, array in inputs.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise DeployError(f"{data.source}: arrays hold different numbers of samples ({counts}); pair them up")
    output = try_one(inputs, model, data.source)
    labels = data.labels
    if labels is not None:
        classes = model.classes or (output.shape[-1] if output.ndim == 2 else None)
        classes = None if classes == 1 else classes  # a single output is no class score
        # Calibration reads no labels, so faulty ones there do no harm.
        labels = _labels(labels, len(data), classes, data.source) if role == "evaluation" else None
    return replace(data, inputs=inputs, labels=labels)


def _input(array: np.ndarray, name: str, spec: InputSpec, source: str, model: LoadedModel) -> np.ndarray:
    where = f"{source}: array `{name}`"
    if array.dtype.kind not in "fiub":
        raise DeployError(f"{where} is {array.dtype}; numbers are needed (float32, or int64 for token numbers)")
    if array.ndim < 1:
        raise DeployError(f"{where} is one number; give an array with an axis of samples first")
    if array.size == 0:
        raise DeployError(f"{where} is empty (shape {array.shape}); give at least one sample")
    if not spec.fits(array.shape[1:]):
        shape = tuple("any" if size is None else size for size in spec.shape or ())
        raise DeployError(
            f"{where} has shape {array.shape}; {model.spec} takes (samples, {', '.join(map(str, shape))})"
        )
    dtype = spec.dtype or ("float32" if array.dtype.kind == "f" else "int64")
    if dtype == "int64" and array.dtype.kind == "f":
        raise DeployError(f"{where} is {array.dtype}; {model.spec} takes int64 there")
    if model.image is not None and array.dtype == np.uint8:
        array = array.astype(np.float32) / np.float32(255)
    elif dtype == "float32" and array.dtype.kind != "f":
        raise DeployError(f"{where} is {array.dtype}; {model.spec} takes float32 there")
    array = np.ascontiguousarray(array, dtype)
    if dtype == "float32":
        faulty = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if faulty.any():
            raise DeployError(
                f"{where}: {int(faulty.sum())} of {len(array)} samples hold NaN or infinity, first in sample "
                f"{int(faulty.argmax())}; remove or repair them"
            )
        if np.abs(array).max() > LARGEST:
            raise DeployError(
                f"{where} holds {np.abs(array).max():.3g}; beyond {LARGEST:.0e} squares overflow 32-bit floats: rescale it"
            )
    known = model.text.vocabulary if model.text is not None and name == "input_ids" else None
    if known is not None and (array.min() < 0 or array.max() >= known):
        raise DeployError(
            f"{where} has token numbers from {array.min()} to {array.max()}; {model.spec} knows 0 to {known - 1}: the "
            "tokenizer is another model's"
        )
    return array


def _check_raw(inputs: dict[str, np.ndarray], source: str) -> None:
    for name, array in inputs.items():
        if array.min() < 0 or array.max() > 1:
            raise DeployError(
                f"{source}: array `{name}` spans {array.min():.3g} to {array.max():.3g}; give raw pixels in [0, 1] (or "
                "uint8): the model normalises them itself"
            )


def try_one(inputs: dict[str, np.ndarray], model: LoadedModel, source: str) -> torch.Tensor:
    """Run the model on the first sample, so that unsuitable data or models fail before any work, and return its output.

    Args:
        inputs: arrays (N, ...) by argument of the module's forward, in order.
        model: the model.
        source: where the samples come from, for messages.

    Raises:
        DeployError: the model cannot take the sample, returns anything but one real, finite tensor, or returns an
            output that depends on the other samples of the batch.
    """
    sample = {name: torch.from_numpy(array[:1]) for name, array in inputs.items()}
    shapes = ", ".join(f"{name} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for name, t in sample.items())
    try:
        with torch.inference_mode():
            output = model.module(*sample.values())
    except Exception as error:  # a foreign model can raise anything
        raise DeployError(
            f"{source}: {model.spec} cannot take one sample of it ({shapes}): {first_line(error)}; give data "
            f"shaped as its forward takes it{_types(inputs)}"
        ) from error
    if not isinstance(output, torch.Tensor):
        raise DeployError(f"{model.spec}: returns {type(output).__name__}; wrap it so that it returns one tensor")
    if output.is_complex():
        raise DeployError(f"{model.spec}: returns complex numbers; wrap it so that it returns one real tensor")
    if not output.numel():
        raise DeployError(
            f"{model.spec}: gives no values at all, a tensor of {tuple(output.shape)}, for a sample of {source} ({shapes}); "
            "give larger samples"
        )
    if not bool(torch.isfinite(output).all()):
        raise DeployError(f"{model.spec}: gives NaN or infinity for the first sample of {source}; check its weights")
    _check_alone(inputs, output, model)
    return output


def _check_alone(inputs: dict[str, np.ndarray], output: torch.Tensor, model: LoadedModel) -> None:
    """Raise DeployError if a sample's output depends on others of its batch: a network sees one sample at a time."""
    if min(map(len, inputs.values())) < 2 or output.ndim < 1 or not output.is_floating_point():
        return
    try:
        with torch.inference_mode():
            both = model.module(*(torch.from_numpy(array[:2]) for array in inputs.values()))
    except Exception as error:  # a foreign model can raise anything
        raise DeployError(
            f"{model.spec}: takes one sample but not two at once: {first_line(error)}; its forward has to take (samples, ...)"
        ) from error
    if both.shape[1:] != output.shape[1:] or len(both) != 2:
        return  # an output without a sample axis is refused when the model's operations are captured
    difference = float((both[:1] - output).abs().max())
    if difference > ALONE * float(both.abs().max()):
        raise DeployError(
            f"{model.spec}: a sample's output depends on the other samples of its batch (by {difference:.3g}), or on chance; "
            "spiking networks see one sample at a time: take means and normalisations over a sample's own axes"
        )


def _types(inputs: dict[str, np.ndarray]) -> str:
    whole = [name for name, array in inputs.items() if array.dtype == np.int64]
    return (
        f"; {', '.join(whole)} holds whole numbers, which are tokens: store other numbers as float32" if whole else ""
    )


def _labels(labels: np.ndarray, samples: int, classes: int | None, source: str) -> np.ndarray:
    where = f"{source}: labels `y`"
    if classes is None:
        raise DeployError(f"{where}: the model gives no class scores to compare them with; leave the labels out")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DeployError(f"{where} are {labels.dtype} of shape {labels.shape}; give one integer per sample")
    if len(labels) != samples:
        raise DeployError(f"{where} are {len(labels)} for {samples} samples; give one integer per sample")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        first = int(wrong.argmax())
        raise DeployError(
            f"{where}: {int(wrong.sum())} out of range, first {int(labels[first])} in sample {first}; the "
            f"model's {classes} classes are 0 to {classes - 1}; number them so"
        )
    return labels.astype(np.int64)
