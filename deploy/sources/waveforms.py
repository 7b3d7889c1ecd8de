"""Recordings in .wav files, as samples at the rate that a model takes."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly

from deploy.errors import DeployError, first_line


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
