"""Reading of .wav files as waveforms at the sampling rate that a model takes."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from deploy.errors import DeployError, first_line


def read_waveform(file: Path, rate: int) -> np.ndarray:
    """Read a .wav file as (samples,) float32 at ``rate`` samples a second: the mean of its channels, resampled.

    Integer formats are scaled to [-1, 1]; floating-point values are taken as they are.

    Raises:
        DeployError: the file is no .wav that SciPy reads, or holds no sample.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that hold no sound
            own, samples = wavfile.read(file)
    except Exception as error:  # a damaged header raises many types of exception
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
    """Scale integers to [-1, 1] by their type's range, 8 bits being unsigned around 128; floats stay as they are."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    return samples / -float(np.iinfo(samples.dtype).min)
