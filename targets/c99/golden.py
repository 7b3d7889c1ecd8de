"""Reference values for the C program's check: samples, and hashes of every node's values in the closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.network import Network, Route
from targets import closed_form_target

FACTOR = 0x9E3779B97F4A7C15
"""Factor of the polynomial hash; odd, so invertible mod 2^64: a single different value always changes the hash."""


@dataclass(frozen=True)
class Compared:
    """Which of a node's values are compared.

    Attributes:
        name: of the node.
        size: neurons; 0 for routes, which are not compared.
        planes: codes (spikes) of each neuron at most; 0 if its potential is compared instead.
        start: first step of the node's window.
        bits: width at which potentials saturate, 0 where the operation has none.
        offset: index of its first value among the values of all nodes.
    """

    name: str
    size: int
    planes: int
    start: int
    bits: int
    offset: int

    @property
    def values(self) -> int:
        """Number of compared values in one sample."""
        return self.size * max(self.planes, 1)


@dataclass(frozen=True)
class Golden:
    """Integer inputs (samples, *input), the compared nodes, and their hashes, uint64 (samples, nodes)."""

    samples: np.ndarray
    compared: tuple[Compared, ...]
    hashes: np.ndarray

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def total(self) -> int:
        """Number of compared values of all nodes in one sample."""
        return sum(node.values for node in self.compared)


def golden(network: Network, samples: np.ndarray) -> Golden:
    """Run samples (N, *input) in real units in the closed form and hash every node's values."""
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
    """Hash the rows of integers (N, values) to uint64 (N,): h <- h FACTOR + value mod 2^64 over columns, from h = 0.

    The integers may have a floating-point dtype, as in the closed form.
    """
    powers = np.full(values.shape[1], FACTOR, np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers)[::-1]  # wraps around mod 2^64 on purpose
    return (np.rint(values).astype(np.int64).view(np.uint64) * powers).sum(1, dtype=np.uint64)
