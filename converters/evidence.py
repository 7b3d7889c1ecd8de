"""What candidates for codes are judged by: some values of nodes on calibration samples, and gradients of the outputs there."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from converters.gradients import PROBES, OnGradient, probe
from converters.sensitivity import Evidence
from processes.backends.devices import current_device
from processes.batches import Progress, slices
from processes.network import Network, Woss
from processes.operation import Operation

VALUES = 2**17  # of a site on which candidates are judged; rows beyond are left out at random
LEAST = 2**-4
"""Of a feature's largest value: a half that has only smaller ones is no guide to what clips."""


def gather(
    network: Network,
    samples: np.ndarray,
    steps: int,
    batch: int = 8,
    progress: Progress | None = None,
    crossed: Collection[str] = (),
) -> dict[str, Evidence]:
    """Evidence on every firing node.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T.
        batch: samples evaluated together, which bounds the memory that gradients take.
        progress: called with (samples done, samples in all).
        crossed: nodes whose halves are judged by each other's largest values.
    """
    halves = [[samples[half::2][part] for part in slices(len(samples[half::2]), batch)] for half in (0, 1)]
    rng, done = np.random.default_rng(0), 0
    rooms = {
        name: [_Room.of(node.op, len(samples), [len(few) for few in half], name in crossed) for half in halves]
        for name, node in network
        if node.op.fires and not node.op.passes_on
    }
    if progress is not None:
        progress(done, len(samples))
    for half, parts in enumerate(halves):
        for few in parts:

            def watch(name: str, y: torch.Tensor, half: int = half) -> OnGradient | None:
                return rooms[name][half].keep(y, rng) if name in rooms else None

            probe(network, few, rng, watch)
            done += len(few)
            if progress is not None:
                progress(done, len(samples))
    return {
        name: Evidence(_halves(own), _share(own), len(samples), steps, isinstance(network[name], Woss))
        for name, own in rooms.items()
    }


def _halves(rooms: Sequence[_Room]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Values and gradients of the halves that have samples, in units of each other's largest values where they are crossed."""
    full = [room for room in rooms if len(room.values)]
    if len(full) < 2 or full[0].largest is None:
        return [(room.values, room.gradients) for room in full]
    units = [room.largest.clamp(min=LEAST) for room in reversed(full) if room.largest is not None]
    return [(room.values / unit, room.gradients * unit) for room, unit in zip(full, units, strict=True)]


def _share(rooms: Sequence[_Room]) -> float:
    """Of a node's values that are kept."""
    return sum(len(room.values) for room in rooms) / sum(room.rows for room in rooms)


@dataclass
class _Room:
    """What is kept of a firing node in half of the samples.

    It is there before the first sample is evaluated: many small allocations between large ones that are given back would leave
    the memory of these in pieces, gigabytes for a language model.

    Attributes:
        op: the node's operation. samples: in both halves.
        values: (rows, features) in units of the calibrated scale, of a softmax (rows, keys).
        gradients: (probes, rows, features or keys).
        largest: magnitudes of features (features,), of all rows; None if nobody asks.
        rows: of which these are some. filled: how many are there by now.
    """

    op: Operation
    samples: int
    values: torch.Tensor
    gradients: torch.Tensor
    largest: torch.Tensor | None
    rows: int
    filled: int = 0

    @classmethod
    def of(cls, op: Operation, samples: int, batches: Sequence[int], crossed: bool) -> _Room:
        """An empty one for batches of so many samples."""
        device = current_device()
        each, features = _rows_of(op, torch.empty(1, *op.shape, device="meta")).shape
        kept = sum(min(each * few, _most(few, samples, features)) for few in batches)
        largest = torch.zeros(features, device=device) if crossed else None
        values, gradients = (torch.zeros(*size, kept, features, device=device) for size in ((), (PROBES,)))
        return cls(op, samples, values, gradients, largest, each * sum(batches))

    def keep(self, y: torch.Tensor, rng: np.random.Generator) -> OnGradient:
        """Keep some of the values (few, *shape) of a batch; returns what keeps the same of its gradients."""
        scale = torch.tensor(self.op.scale, device=y.device).float()  # type: ignore[attr-defined]
        rows = _rows_of(self.op, y / scale)
        if self.largest is not None:
            self.largest = torch.maximum(self.largest, rows.abs().amax(0))
        most = _most(len(y), self.samples, rows.shape[1])
        chosen: torch.Tensor | slice = slice(None)
        if most < len(rows):
            chosen = torch.from_numpy(rng.choice(len(rows), most, replace=False)).to(rows.device)
        kept = slice(self.filled, self.filled + min(most, len(rows)))
        self.values[kept], self.filled = rows[chosen], kept.stop
        probes = iter(self.gradients)

        def on(gradient: torch.Tensor) -> None:
            next(probes)[kept] = _rows_of(self.op, gradient * scale)[chosen]

        return on


def _most(few: int, samples: int, features: int) -> int:
    """How many rows are kept of a batch of so many among all samples."""
    return max(1, VALUES * few // (samples * features))


def _rows_of(op: Operation, y: torch.Tensor) -> torch.Tensor:
    """Values (N, *shape) of a firing node as (rows, features), of a softmax (rows, keys)."""
    return y.flatten(0, -2) if isinstance(op, Woss) else by_feature(y, np.shape(op.scale))  # type: ignore[attr-defined]


def by_feature(values: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    """(N, *shape) as (rows, features), given the broadcast shape of what features differ in."""
    axes = [1 + axis for axis, size in enumerate(scale) if size > 1]
    return values.movedim(axes, list(range(-len(axes), 0))).reshape(-1, math.prod(scale))
