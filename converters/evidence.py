"""What derivatives of the outputs tell, gathered in one backward pass through a lowered network.

For firing nodes: some of their values on calibration samples and the gradients there, by which candidate codes are
judged (:mod:`converters.sensitivity`). For synapses with shared weights: the importance of each row of their outputs (a
token, a pixel), the squared gradient of the outputs averaged over features, which is what errors of the weights cost at
that row.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from converters.gradients import PROBES, OnGradient, probe, sample_axis
from converters.sensitivity import Evidence
from processes.backends.devices import current_device
from processes.batches import Progress, slices
from processes.calibration import weights
from processes.errors import DeployError
from processes.network import ElementwiseProduct, Network, Woss
from processes.operation import Operation

SAMPLES = 64  # most calibration samples on which candidates are judged
VALUES = 2**17  # most values of a site on which candidates are judged; rows beyond are left out at random
LEAST = 2**-4
"""Smallest unit, relative to the calibrated scale, in which a crossed half is judged.

A half whose largest value is smaller is no guide to what clips."""


class Gathered(NamedTuple):
    """What was gathered on a network.

    Attributes:
        evidence: by firing node that has a code of its own.
        importance: by synapse with shared weights, of rows of its outputs, float32 (N, rows) of all samples; empty if
            it was not asked for.
    """

    evidence: dict[str, Evidence]
    importance: dict[str, np.ndarray]


def gather(
    network: Network,
    samples: np.ndarray,
    steps: int,
    batch: int = 8,
    progress: Progress | None = None,
    headroom: bool = True,
    importance: bool = True,
) -> Gathered:
    """Gather evidence on every firing node from at most ``SAMPLES`` samples, and the importance of rows on all samples.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T of the evidence.
        batch: samples evaluated together, which bounds the memory that gradients take.
        progress: called with (samples done, samples in all).
        headroom: judge each half of a gate's samples in units of the other half's largest values.
        importance: also gather the importance of rows.

    Raises:
        DeployError: no node fires.
    """
    nodes = coded(network)
    crossed = gated(network) if headroom else frozenset[str]()
    judged = np.unique(np.linspace(0, len(samples) - 1, SAMPLES).astype(int))
    others = np.setdiff1d(np.arange(len(samples)), judged) if importance else judged[:0]
    batches = [[few[part] for part in slices(len(few), batch)] for few in (judged[::2], judged[1::2], others)]
    rng, done, total = np.random.default_rng(0), 0, len(judged) + len(others)
    rooms = {
        name: [_Room.of(network[name], len(judged), [*map(len, half)], name in crossed) for half in batches[:2]]
        for name in nodes
    }
    rows = _no_rows(network, len(samples)) if importance else {}
    if progress is not None:
        progress(done, total)
    for half, parts in enumerate(batches):
        for few in parts:

            def watch(name: str, y: torch.Tensor, half: int = half, few: np.ndarray = few) -> OnGradient | None:
                if name in rows:
                    return functools.partial(_add_rows, rows[name], few, sample_axis(network[name], y.ndim))
                return rooms[name][half].keep(y, rng) if name in rooms and half < 2 else None

            probe(network, samples[few], rng, watch)
            done += len(few)
            if progress is not None:
                progress(done, total)
    evidence = {
        name: Evidence(_halves(own), _share(own), len(judged), steps, isinstance(network[name], Woss))
        for name, own in rooms.items()
    }
    return Gathered(evidence, rows)


def coded(network: Network) -> list[str]:
    """Names of the firing nodes that have a code of their own, rather than pass spikes on.

    Raises:
        DeployError: there are none.
    """
    nodes = [name for name, node in network if node.op.fires and not node.op.passes_on]
    if not nodes:
        raise DeployError(
            "no layer of the model fires spikes: its output is its input, moved; there is nothing to convert"
        )
    return nodes


def gated(network: Network) -> frozenset[str]:
    """Firing nodes that are an operand of an elementwise product (gates), and those that read such a product."""
    found: set[str] = set()
    for name, node in network:
        if isinstance(node.op, ElementwiseProduct):
            found.update(network.origin(source) for source in node.inputs)
        found.update(
            name for source in node.inputs
            if node.op.fires and (origin := network.origin(source)) != network.INPUT
            and isinstance(network[origin], ElementwiseProduct)
        )  # fmt: skip
    return frozenset(found)


def _no_rows(network: Network, samples: int) -> dict[str, np.ndarray]:
    """Zeros for the importance of rows: by synapse with shared weights, float32 (samples, rows)."""
    found = {}
    for name, node in network:
        if weights(node.op) == "shared":
            shape = list(node.op.shape)
            del shape[sample_axis(node.op, 1 + len(shape)) - 1]
            found[name] = np.zeros((samples, math.prod(shape)), np.float32)
    return found


def _add_rows(rows: np.ndarray, few: np.ndarray, features: int, gradient: torch.Tensor) -> None:
    """Add a probe's gradient (few, ...) to the importance of rows (N, rows); ``features``: the axis to average over."""
    rows[few] += (gradient.square().mean(features) / PROBES).flatten(1).cpu().numpy()


def _halves(rooms: Sequence[_Room]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Values and gradients of the halves that have samples; crossed halves in units of each other's largest values."""
    full = [room for room in rooms if len(room.values)]
    if len(full) < 2 or full[0].largest is None:
        return [(room.values, room.gradients) for room in full]
    units = [room.largest.clamp(min=LEAST) for room in reversed(full) if room.largest is not None]
    return [(room.values / unit, room.gradients * unit) for room, unit in zip(full, units, strict=True)]


def _share(rooms: Sequence[_Room]) -> float:
    """The share of a node's rows that is kept."""
    return sum(len(room.values) for room in rooms) / sum(room.rows for room in rooms)


@dataclass
class _Room:
    """What is kept of a firing node from one half of the samples.

    It is allocated before the first sample is evaluated: many small allocations between large ones that are given back
    would leave the memory of these in pieces, gigabytes for a language model.

    Attributes:
        op: the node's operation.
        samples: number of samples in both halves.
        values: the kept rows (rows, features) in units of the calibrated scale, of a softmax (rows, keys).
        gradients: (probes, rows, features or keys).
        largest: largest magnitude of each feature (features,) over all rows, kept or not; None if halves are not
            crossed.
        rows: number of all rows, kept or not.
        filled: number of rows kept by now.
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
        """An empty one for a half that comes in batches of these sizes; ``crossed``: with the largest magnitudes."""
        device = current_device()
        each, features = _rows_of(op, torch.empty(1, *op.shape, device="meta")).shape
        kept = sum(min(each * few, _most(few, samples, features)) for few in batches)
        largest = torch.zeros(features, device=device) if crossed else None
        values, gradients = (torch.zeros(*size, kept, features, device=device) for size in ((), (PROBES,)))
        return cls(op, samples, values, gradients, largest, each * sum(batches))

    def keep(self, y: torch.Tensor, rng: np.random.Generator) -> OnGradient:
        """Keep random rows of a batch's values (few, *shape); returns what keeps the same rows of its gradients."""
        scale = torch.tensor(self.op.scale, device=y.device).float().reshape(-1)  # type: ignore[attr-defined]
        rows = _rows_of(self.op, y)
        if self.largest is not None:
            self.largest = torch.maximum(self.largest, rows.abs().amax(0) / scale)
        most = _most(len(y), self.samples, rows.shape[1])
        chosen: torch.Tensor | slice = slice(None)
        if most < len(rows):
            chosen = torch.from_numpy(rng.choice(len(rows), most, replace=False)).to(rows.device)
        kept = slice(self.filled, self.filled + min(most, len(rows)))
        self.values[kept], self.filled = rows[chosen] / scale, kept.stop
        probes = iter(self.gradients)

        def on(gradient: torch.Tensor) -> None:
            next(probes)[kept] = _rows_of(self.op, gradient)[chosen] * scale

        return on


def _most(few: int, samples: int, features: int) -> int:
    """How many rows are kept of a batch of ``few`` among ``samples`` samples."""
    return max(1, VALUES * few // (samples * features))


def _rows_of(op: Operation, y: torch.Tensor) -> torch.Tensor:
    """Values (N, *shape) of a firing node as (rows, features), of a softmax (rows, keys)."""
    return y.flatten(0, -2) if isinstance(op, Woss) else by_feature(y, np.shape(op.scale))  # type: ignore[attr-defined]


def by_feature(values: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    """Values (N, *shape) as (rows, features); ``scale``: the broadcast shape of scales, over 1 along features' axes."""
    axes = [1 + axis for axis, size in enumerate(scale) if size > 1]
    return values.movedim(axes, list(range(-len(axes), 0))).reshape(-1, math.prod(scale))
