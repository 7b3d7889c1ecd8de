"""What the check compares with: samples, and hashes of what the closed form says of each node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.network import Network, Route
from targets import closed_form_target

FACTOR = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it loses no bit of what differs."""


@dataclass(frozen=True)
class Compared:
    """A node's values: ``planes`` codes for each neuron, or its potential (planes 0); none of wiring (size 0)."""

    name: str
    size: int
    planes: int
    start: int
    bits: int
    offset: int

    @property
    def values(self) -> int:
        """How many they are."""
        return self.size * max(self.planes, 1)


@dataclass(frozen=True)
class Golden:
    """Inputs (samples, *input) in integers, and a hash for each sample and node, uint64 (samples, nodes)."""

    samples: np.ndarray
    compared: tuple[Compared, ...]
    hashes: np.ndarray

    @property
    def count(self) -> int:
        """Samples."""
        return len(self.samples)

    @property
    def total(self) -> int:
        """Values of all nodes in one sample."""
        return sum(node.values for node in self.compared)


def golden(network: Network, samples: np.ndarray) -> Golden:
    """Of samples (N, *input) in real units."""
    run, windows = closed_form_target.run(network, samples), timeline(network).windows
    compared: list[Compared] = []
    for name, node in network:
        op, offset = node.op, sum(one.values for one in compared)
        planes = run.values[name].shape[1] if op.fires and name in run.values else 0
        size = 0 if isinstance(op, Route) else int(np.prod(op.shape))
        compared.append(Compared(name, size, planes, windows[name].start, getattr(op, "state_bits", 0), offset))
    hashes = np.zeros((len(samples), len(compared)), np.uint64)
    for i, node in enumerate(compared):
        if node.size:
            hashes[:, i] = polynomial(run.values[node.name].reshape(len(samples), -1))
    return Golden(ClosedForm(network).encode(samples).cpu().numpy(), tuple(compared), hashes)


def polynomial(values: np.ndarray) -> np.ndarray:
    """h of h <- h FACTOR + value, mod 2^64, over the columns of integers (N, values), which the closed form may carry in
    floating point; uint64 (N,)."""
    powers = np.full(values.shape[1], FACTOR, np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers)[::-1]  # wraps, as is meant
    return (np.rint(values).astype(np.int64).view(np.uint64) * powers).sum(1, dtype=np.uint64)
