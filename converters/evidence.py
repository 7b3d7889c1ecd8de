"""What derivatives of the outputs tell, in one pass back through a lowered network.

Of firing nodes: some values on calibration samples and the gradients there, by which candidates for codes are judged
(:mod:`converters.sensitivity`). Of synapses with shared weights: how much a row of their outputs (a token, a pixel) matters,
as errors of weights at a row cost the outputs so much, averaged over features.
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

SAMPLES = 64  # of the calibration set on which candidates are judged
VALUES = 2**17  # of a site on which candidates are judged; rows beyond are left out at random
LEAST = 2**-4
"""Of a feature's largest value: a half that has only smaller ones is no guide to what clips."""


class Gathered(NamedTuple):
    """What was gathered of a network.

    evidence: by firing node that has a code of its own. importance: of rows of the outputs, by synapse with shared weights,
    float32 (N, rows) of all samples; empty if nobody asks.
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
    """Evidence on every firing node of at most ``SAMPLES`` samples, and the importance of rows on all of them.

    Args:
        network: lowered, scales known, not folded.
        samples: calibration inputs (N, *input).
        steps: T of the evidence.
        batch: samples evaluated together, which bounds the memory that gradients take.
        progress: called with (samples done, samples in all).
        headroom: judge halves of gates by each other's largest values.
        importance: also tell how much rows matter.

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
    """Nodes that have a code of their own.

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
    """Firing nodes that are multiplied by another neuron by neuron, and those that read such a product."""
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
    """Zeros for the importance of rows."""
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
    """How many rows are kept of a batch of so many among all samples."""
    return max(1, VALUES * few // (samples * features))


def _rows_of(op: Operation, y: torch.Tensor) -> torch.Tensor:
    """Values (N, *shape) of a firing node as (rows, features), of a softmax (rows, keys)."""
    return y.flatten(0, -2) if isinstance(op, Woss) else by_feature(y, np.shape(op.scale))  # type: ignore[attr-defined]


def by_feature(values: torch.Tensor, scale: tuple[int, ...]) -> torch.Tensor:
    """(N, *shape) as (rows, features), given the broadcast shape of what features differ in."""
    axes = [1 + axis for axis, size in enumerate(scale) if size > 1]
    return values.movedim(axes, list(range(-len(axes), 0))).reshape(-1, math.prod(scale))
