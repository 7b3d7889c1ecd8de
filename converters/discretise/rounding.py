"""Rounding weights to integers so that the errors of a row cancel in its sum.

If each weight is rounded to nearest, the errors of a row's weights add up at random. If weights are rounded one after
the other, the weights that are still free can compensate each error, as inputs are correlated: they move by what
minimises the mean square of the error of the row's sum over calibration data. Source: optimal brain compression and
GPTQ (Frantar et al., 2022), there for 3 and 4 bits. Each weight then moves to the integer that is best given all
others, in two sweeps (coordinate descent). The error that remains on average goes into the bias.
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

ROWS = 1024  # most rows of a batch that enter the moments; evenly spaced if there are more
DAMPING = 0.1  # share of the mean variance that is added to each variance, as calibration data are few
BLOCK = 64  # weights rounded before the rest of the row is updated
TOGETHER = 2**24  # most weights rounded at a time, by whole rows, as each is held in float64 several times
SWEEPS = 2  # of coordinate descent; later ones move next to nothing


@dataclass(eq=False)
class Moments:
    """Weighted moments of the values that arrive at a synapse, for each group of a convolution (one group otherwise).

    Attributes:
        count: sum of the rows' weights.
        first: weighted sum of the n inputs of an output, float64 (groups, n).
        second: weighted sum of their products, float64 (groups, n, n).
    """

    count: float
    first: np.ndarray
    second: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of each input, (groups, n)."""
        return self.first / self.count

    def covariance(self, group: int) -> np.ndarray:
        """Covariance of one group's inputs, (n, n)."""
        mean, covariance = self.mean[group], self.second[group] / self.count
        covariance -= mean[:, None] * mean
        return covariance

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.first + other.first, self.second + other.second)


def moments(op: Synapse, x: torch.Tensor, importance: torch.Tensor | None = None) -> Moments:
    """Moments of decoded values x (N, *source) at a dense synapse or a convolution, in the order of weights' columns.

    ``importance`` (N, rows) says how much each row (token or output pixel) counts; without it all count the same.
    """
    if isinstance(op, ConvSynapse):
        kernel = op.weight.shape[2:]
        patches = torch.nn.functional.unfold(x.flatten(0, 1), kernel, op.dilation, op.padding, op.stride)
        rows = patches.swapaxes(1, 2).flatten(0, 1).unflatten(1, (op.groups, -1)).swapaxes(0, 1)
    else:
        rows = x.reshape(1, -1, x.shape[-1])
    return moments_of(rows, importance)


def moments_of(rows: torch.Tensor, importance: torch.Tensor | None = None) -> Moments:
    """Moments of ``rows`` (groups, rows, n), of which at most ``ROWS`` enter; ``importance``: a weight for each row."""
    weight = torch.ones(rows.shape[1], device=rows.device) if importance is None else importance.reshape(-1)
    counted = torch.nonzero(weight)[:, 0]
    counted = counted[:: max(1, -(-len(counted) // ROWS))]
    rows, weight = rows[:, counted].double(), weight[counted].double()
    weighted = rows * weight[:, None]
    return Moments(float(weight.sum()), weighted.sum(1).cpu().numpy(), (rows.mT @ weighted).cpu().numpy())


def moments_bytes(op: Synapse) -> int:
    """Bytes that the second moments at a dense synapse or a convolution take."""
    groups = op.groups if isinstance(op, ConvSynapse) else 1
    return 8 * groups * math.prod(op.weight.shape[1:]) ** 2


def round_weights(op: Synapse, weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """Round a synapse's weights: by :func:`round_together` if tokens or pixels share them, else each to nearest."""
    return round_together(weight, limit, seen if weights(op) == "shared" else None)


def round_together(weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """Round the weights of each row together, so that their errors cancel in the row's sum.

    Args:
        weight: real weights (out, ...), in units of the mantissas.
        limit: largest magnitude of an integer.
        seen: moments of what arrives at the weights; None to round each weight to nearest, without a limit.

    Returns:
        Integers of the weights' shape as float64, and what to add to the bias, (out,) or zeros (1,) without moments.
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
    """The order in which weights are rounded (n,), their damped covariance (n, n), and its inverse's triangular factor.

    Both matrices are in this order, that of falling variance. Row j of the factor says by how much later weights move
    to compensate an error of weight j. The last result is cached: the synapses of queries, keys and values ask one
    after another.
    """
    covariance = seen.covariance(group)
    variance = np.diag(covariance)
    order = np.argsort(-variance)  # weights that matter most come first, while most others are free to compensate
    damping = DAMPING * max(variance.mean(), 1e-12)
    damped = covariance[np.ix_(order, order)]
    del covariance  # hundreds of megabytes for thousands of inputs
    damped[np.diag_indices_from(damped)] += damping
    # an upper triangle r with damped = r r^T, whose inverse is the inverse's factor: less than half the work of inverting first
    root = scipy.linalg.cholesky(damped[::-1, ::-1], lower=True)[::-1, ::-1]
    return order, damped, scipy.linalg.solve_triangular(root, np.eye(len(order)), overwrite_b=True)


def _compensate(
    weight: np.ndarray, order: np.ndarray, damped: np.ndarray, factor: np.ndarray, limit: int
) -> np.ndarray:
    """Integers w' for rows of weights w (out, n) that keep E[((w - w') x)^2] small.

    ``order``, ``damped`` and ``factor`` are the results of :func:`factor`.
    """
    free, out = np.asarray(weight[:, order], np.float64), np.empty(weight.shape)
    for start in range(0, len(order), BLOCK):
        stop = min(start + BLOCK, len(order))
        block, errors = slice(start, stop), np.empty((len(weight), stop - start))
        own = np.ascontiguousarray(factor[block, block])
        compensate(free[:, block], out[:, block], errors, own, float(limit))
        free[:, stop:] -= errors @ factor[block, stop:]
    return _descend(weight, out[:, np.argsort(order)], damped[np.ix_(np.argsort(order), np.argsort(order))], limit)


def _descend(weight: np.ndarray, rounded: np.ndarray, covariance: np.ndarray, limit: int) -> np.ndarray:
    """Improve integers ``rounded`` (out, n) in place: each moves to the best one for its row while all others stay."""
    pull = (weight - rounded) @ covariance
    descend(rounded, pull, covariance, float(limit), SWEEPS)
    return rounded
