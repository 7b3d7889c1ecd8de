"""Recordings: .wav files, brought to the model's sampling rate and through the feature extractor saved beside it."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from scipy.io import wavfile
from scipy.signal import resample_poly

from deploy.errors import DeployError
from deploy.sources.loaded import SoundInput, first_line

SECONDS = 1.0
"""Length of the recordings that a model of raw waveforms takes, unless told otherwise."""


def extractor_input(name: str, argument: str, seconds: float | None) -> SoundInput:
    """Recordings by the feature extractor saved beside a transformers model, which runs on the host.

    Args:
        name: folder or hub name of the model.
        argument: the model's argument, ``input_values`` or ``input_features``.
        seconds: length that recordings are cut to or filled with silence to, for an extractor that takes any length (raw
            waveforms); None for 1 s. An extractor with a length of its own (Whisper, AST) keeps it.

    Raises:
        DeployError: no extractor is saved, it cannot be built or run, or it has a length of its own and ``seconds`` is given.
    """
    spec = f"hf:{name}"
    try:
        extractor: Any = transformers.AutoFeatureExtractor.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # a damaged configuration can lead it anywhere
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


def read_waveform(file: Path, rate: int) -> np.ndarray:
    """A .wav file as (samples,) float32 in [-1, 1] at ``rate`` samples a second: the mean of its channels, resampled.

    Raises:
        DeployError: the file is no .wav that SciPy reads, or holds no sample.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that hold no sound
            own, samples = wavfile.read(file)
    except Exception as error:  # damaged headers end in any exception
        raise DeployError(f"{file}: not a .wav file that can be read ({first_line(error)})") from error
    if not samples.size or not own:
        raise DeployError(f"{file}: holds no sound; remove it")
    waveform = _unit_range(samples)
    waveform = waveform if waveform.ndim == 1 else waveform.mean(1)
    if own != rate:
        common = math.gcd(own, rate)
        waveform = resample_poly(waveform, rate // common, own // common)
    return waveform.astype(np.float32)


def _unit_range(samples: np.ndarray) -> np.ndarray:
    """Integers over their largest magnitude; 8 bits are unsigned around 128; floating point is in [-1, 1] as it is."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    return samples / -float(np.iinfo(samples.dtype).min)
