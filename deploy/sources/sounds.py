"""Recordings (.wav files), resampled to the model's rate and passed through the feature extractor saved with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers

from deploy.errors import DeployError, first_line
from deploy.sources.loaded import SoundInput

SECONDS = 1.0
"""Default length, in seconds, of the recordings that a model of raw waveforms takes."""


def extractor_input(name: str, argument: str, seconds: float | None) -> SoundInput:
    """Sound input by the feature extractor saved with a transformers model, which runs on the host.

    Args:
        name: folder or hub name of the model.
        argument: the model's argument, ``input_values`` or ``input_features``.
        seconds: length that recordings are cut or padded to, for an extractor that takes any length (raw waveforms);
            None for 1 s. An extractor of fixed length (Whisper, AST) keeps its own.

    Raises:
        DeployError: no extractor is saved, the extractor cannot be built or run, or it has a fixed length and
            ``seconds`` is given.
    """
    spec = f"hf:{name}"
    try:
        extractor: Any = transformers.AutoFeatureExtractor.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # a damaged configuration raises many types of exception
        raise DeployError(
            f"{spec}: its feature extractor cannot be built ({first_line(error)}); call save_pretrained of it into the "
            "model's folder, or give an .npz of what the model takes"
        ) from error
    rate = int(extractor.sampling_rate)

    def run(waveform: np.ndarray, **length: Any) -> torch.Tensor:
        try:
            values = extractor(waveform, sampling_rate=rate, return_tensors="pt", **length)[argument]
        except Exception as error:
            raise DeployError(f"{spec}: its feature extractor fails on a recording ({first_line(error)})") from error
        return values[0].float()

    shapes = {tuple(run(np.zeros(samples, np.float32)).shape) for samples in (rate, 2 * rate)}
    length: dict[str, Any] = {}
    if len(shapes) > 1:
        samples = max(1, round(rate * (SECONDS if seconds is None else seconds)))
        length = {"padding": "max_length", "max_length": samples, "truncation": True}
    elif seconds is not None:
        raise DeployError(f"{spec}: its feature extractor has a length of its own; leave seconds out of --model-args")
    shape = tuple(run(np.zeros(rate, np.float32), **length).shape)
    words = f"transformers {transformers.__version__} {type(extractor).__name__}: {rate} Hz, one channel, {shape}"
    return SoundInput(shape, rate, lambda waveform: run(waveform, **length), words)
