"""Samples as arrays, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from deploy.sources.classes import LabelRow


@dataclass(frozen=True)
class Data:
    """Samples for a model's forward.

    inputs: arrays (N, *sample), float32 or int64, named as the arguments and in their order.
    labels: (N,) int64 or None.
    class_names: one per class, or empty. source: what it was read from, for messages and reports.
    transform: how files became arrays, in words; empty where arrays were given. label_table: how written labels were read.
    written: (N,) str, labels of calibration samples as they are written, names of folders too, which nobody has read as
    classes; None without any.
    """

    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    source: str
    transform: str = ""
    label_table: tuple[LabelRow, ...] = ()
    written: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, indices: np.ndarray | slice) -> Data:
        """The samples at `indices`, in that order."""
        inputs = {name: array[indices] for name, array in self.inputs.items()}
        labels, written = (None if each is None else each[indices] for each in (self.labels, self.written))
        return replace(self, inputs=inputs, labels=labels, written=written)

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Tensors of up to `size` samples at a time, the positional arguments of forward."""
        for start in range(0, len(self), size):
            yield tuple(torch.from_numpy(array[start : start + size]) for array in self.inputs.values())
