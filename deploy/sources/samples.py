"""The samples of a data set as arrays, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from deploy.sources.classes import LabelRow


@dataclass(frozen=True)
class Data:
    """Samples for a model's forward.

    Attributes:
        inputs: arrays (N, *sample), float32 or int64, by the name of the forward argument, in the arguments' order.
        labels: class numbers (N,) int64, or None.
        class_names: one per class, or empty.
        source: what the samples were read from, for messages and reports.
        transform: how files became arrays, in words; empty where arrays were given.
        label_table: how written labels were read as class numbers.
        written: (N,) str, labels of calibration samples as written (or names of folders), not translated to class
            numbers; None without labels.
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
        """The samples at ``indices``, in the order of the indices."""
        inputs = {name: array[indices] for name, array in self.inputs.items()}
        labels, written = (None if each is None else each[indices] for each in (self.labels, self.written))
        return replace(self, inputs=inputs, labels=labels, written=written)

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Batches of up to ``size`` samples, each a tuple of tensors in the order of forward's arguments."""
        for start in range(0, len(self), size):
            yield tuple(torch.from_numpy(array[start : start + size]) for array in self.inputs.values())
