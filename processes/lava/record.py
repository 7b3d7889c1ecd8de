"""Outputs of a Process written to .npy files while it runs, for another process to read.

Reading a Var costs Lava tens of microseconds an element; a memory-mapped file costs the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processes.operation import Emission, Window
from processes.phase_code import code_dtype


@dataclass(frozen=True)
class Recording:
    """Where to record an output.

    Attributes:
        path: the .npy file.
        samples: how many samples are recorded.
        planes: most spikes of a neuron in a window; of no meaning for graded outputs.
    """

    path: Path
    samples: int
    planes: int = 1


class SpikeRecorder:
    """Records spikes as codes (samples, planes, *shape): +-(k+1) for a spike at step k of the window, 0 for silence."""

    def __init__(self, recording: Recording, shape: tuple[int, ...], window: Window) -> None:
        self.window, self.planes = window, recording.planes
        dtype = code_dtype(window.stop - window.start)
        full = (recording.samples, recording.planes, *shape)
        self.codes = np.lib.format.open_memmap(recording.path, mode="w+", dtype=dtype, shape=full)
        self.codes = self.codes.reshape(recording.samples, recording.planes, -1)
        self.fired = np.zeros(self.codes.shape[-1], np.intp)

    def write(self, sample: int, t: int, signs: np.ndarray) -> None:
        """Add the spikes of step ``t``; ``signs`` is -1, 0 or +1 per neuron.

        Raises:
            ValueError: a neuron fired more often than there are planes.
        """
        flat = signs.reshape(-1)
        neurons = np.flatnonzero(flat)
        planes = self.fired[neurons]
        if len(neurons) and planes.max() >= self.planes:
            neuron = neurons[planes.argmax()]
            raise ValueError(f"neuron {neuron} fired more than {self.planes} times in a window")
        self.codes[sample, planes, neurons] = flat[neurons] * (t - self.window.start + 1)
        self.fired[neurons] += 1

    def reset(self) -> None:
        """Begin a new sample."""
        self.fired[:] = 0


class GradedRecorder:
    """Records graded outputs, summed over the window: (samples, *shape), float64 or int64."""

    def __init__(self, recording: Recording, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        wide = np.int64 if np.issubdtype(dtype, np.integer) else np.float64
        full = (recording.samples, *shape)
        self.sums = np.lib.format.open_memmap(recording.path, mode="w+", dtype=wide, shape=full)

    def write(self, sample: int, t: int, values: np.ndarray) -> None:
        """Add the message of step ``t`` (*shape) to the sums of its sample."""
        self.sums[sample] += values

    def reset(self) -> None:
        """Begin a new sample, whose sums are zero already."""


def open_recorder(
    recording: Recording, emission: Emission, shape: tuple[int, ...], window: Window, dtype: type[np.generic]
) -> SpikeRecorder | GradedRecorder:
    """The recorder for an output, its file created (or emptied) and zero."""
    if emission == "spikes":
        return SpikeRecorder(recording, shape, window)
    return GradedRecorder(recording, shape, dtype)
