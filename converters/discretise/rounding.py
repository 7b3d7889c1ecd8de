"""Rounding weights to integers so that the errors of a row cancel in its sum.

Rounded one by one, the errors of a row's weights add up at random. Rounded one after the other, each error can be made up
for by the weights that are still free, as inputs are correlated: the weights that follow move by what minimises the mean
square of the row's sum over calibration data. Source: optimal brain compression and GPTQ (Frantar et al., 2022), there
for 3 and 4 bits. Each weight then moves to the integer that is best given all others, twice (coordinate descent). What
remains on average goes into the bias.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from processes.batches import slices
from processes.calibration import weights
from processes.kernels.rounded import compensate, descend
from processes.network import ConvSynapse
from processes.synapse import Synapse

ROWS = 1024  # of a batch that enter the moments; evenly spaced if there are more
DAMPING = 0.1  # of the mean variance, added to each: calibration data are few
BLOCK = 64  # weights rounded before the rest of the row is updated
TOGETHER = 2**24  # weights rounded at a time, by whole rows, each of them in float64 several times
SWEEPS = 2  # of coordinate descent; later ones move next to nothing


@dataclass(eq=False)
class Moments:
    """Weighted sums over what arrives at a synapse, by group of a convolution.

    Attributes:
        count: sum of the weights.
        first, second: (groups, n) and (groups, n, n).
    """

    count: float
    first: np.ndarray
    second: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(groups, n)."""
        return self.first / self.count

    def covariance(self, group: int) -> np.ndarray:
        """(n, n)."""
        mean, covariance = self.mean[group], self.second[group] / self.count
        covariance -= mean[:, None] * mean
        return covariance

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.first + other.first, self.second + other.second)


def moments(op: Synapse, x: torch.Tensor, importance: torch.Tensor | None = None) -> Moments:
    """Of decoded values (N, *source) at a dense synapse or a convolution, in the order of its weights' columns.

    ``importance`` (N, rows) says how much each row counts; all the same without.
    """
    if isinstance(op, ConvSynapse):
        kernel = op.weight.shape[2:]
        patches = torch.nn.functional.unfold(x.flatten(0, 1), kernel, op.dilation, op.padding, op.stride)
        rows = patches.swapaxes(1, 2).flatten(0, 1).unflatten(1, (op.groups, -1)).swapaxes(0, 1)
    else:
        rows = x.reshape(1, -1, x.shape[-1])
    return moments_of(rows, importance)


def moments_of(rows: torch.Tensor, importance: torch.Tensor | None = None) -> Moments:
    """Of what weights meet, (groups, rows, n), of which ``ROWS`` count; ``importance`` as for :func:`moments`."""
    weight = torch.ones(rows.shape[1], device=rows.device) if importance is None else importance.reshape(-1)
    counted = torch.nonzero(weight)[:, 0]
    counted = counted[:: max(1, -(-len(counted) // ROWS))]
    rows, weight = rows[:, counted].double(), weight[counted].double()
    weighted = rows * weight[:, None]
    return Moments(float(weight.sum()), weighted.sum(1).cpu().numpy(), (rows.mT @ weighted).cpu().numpy())


def moments_bytes(op: Synapse) -> int:
    """Memory that the second moments at a dense synapse or a convolution take."""
    groups = op.groups if isinstance(op, ConvSynapse) else 1
    return 8 * groups * math.prod(op.weight.shape[1:]) ** 2


def round_weights(op: Synapse, weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`round_together`; where weights are not shared, each is rounded to nearest."""
    return round_together(weight, limit, seen if weights(op) == "shared" else None)


def round_together(weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """Integers within +-limit for ``weight`` (out, ...), in units of the mantissas, and what to add to the bias (out,).

    Without moments each weight is rounded to nearest.
    """
    if seen is None:
        return np.rint(weight), np.zeros(1)
    flat = weight.reshape(len(weight), -1)
    whole, offsets = np.empty(flat.shape), np.empty(len(flat))
    rows = len(flat) // len(seen.first)
    for group, mean in enumerate(seen.mean):
        for part in slices(rows, max(1, TOGETHER // flat.shape[1])):
            here = slice(group * rows + part.start, group * rows + part.stop)
            made = _compensate(flat[here], *factor(seen, group), limit)
            whole[here], offsets[here] = made, (flat[here] - made) @ mean
    return whole.reshape(weight.shape), offsets


@functools.lru_cache(maxsize=1)
def factor(seen: Moments, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An order of the weights, their damped covariance (n, n) and, of its inverse, the factor, both in this order.

    Row j of the factor says how errors of weight j are best made up for by those after it. The synapses of queries, keys
    and values, one after the other, have the same.
    """
    covariance = seen.covariance(group)
    variance = np.diag(covariance)
    order = np.argsort(-variance)  # those that matter most while most others are free
    damping = DAMPING * max(variance.mean(), 1e-12)
    damped = covariance[np.ix_(order, order)]
    del covariance  # of thousands of inputs, hundreds of megabytes
    damped[np.diag_indices_from(damped)] += damping
    # an upper triangle r with damped = r r^T, whose inverse is the inverse's factor: less than half the work of inverting first
    root = scipy.linalg.cholesky(damped[::-1, ::-1], lower=True)[::-1, ::-1]
    return order, damped, scipy.linalg.solve_triangular(root, np.eye(len(order)), overwrite_b=True)


def _compensate(
    weight: np.ndarray, order: np.ndarray, damped: np.ndarray, factor: np.ndarray, limit: int
) -> np.ndarray:
    """Integers for rows of weights (out, n) that keep E[((w - w') x)^2] small; the rest is from :func:`factor`."""
    free, out = np.asarray(weight[:, order], np.float64), np.empty(weight.shape)
    for start in range(0, len(order), BLOCK):
        stop = min(start + BLOCK, len(order))
        block, errors = slice(start, stop), np.empty((len(weight), stop - start))
        own = np.ascontiguousarray(factor[block, block])
        compensate(free[:, block], out[:, block], errors, own, float(limit))
        free[:, stop:] -= errors @ factor[block, stop:]
    return _descend(weight, out[:, np.argsort(order)], damped[np.ix_(np.argsort(order), np.argsort(order))], limit)


def _descend(weight: np.ndarray, rounded: np.ndarray, covariance: np.ndarray, limit: int) -> np.ndarray:
    """Integers near ``rounded`` (out, n), each the best for its row while all others stay."""
    pull = (weight - rounded) @ covariance
    descend(rounded, pull, covariance, float(limit), SWEEPS)
    return rounded
