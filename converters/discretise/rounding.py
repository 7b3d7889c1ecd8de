"""Rounding weights to integers so that the errors of a row cancel in its sum.

Rounded one by one, the errors of a row's weights add up at random. Rounded one after the other, each error can be made up
for by the weights that are still free, as inputs are correlated: the weights that follow move by what minimises the mean
square of the row's sum over calibration data. Source: optimal brain compression and GPTQ (Frantar et al., 2022), there
for 3 and 4 bits. What remains on average goes into the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch

from processes.network import ConvSynapse, DenseSynapse, Synapse

ROWS = 1024  # of a batch that enter the moments; evenly spaced if there are more
DAMPING = 0.01  # of the mean variance, added to each: calibration data are few
BLOCK = 64  # weights rounded before the rest of the row is updated


@dataclass
class Moments:
    """Sums over what arrives at a synapse, by group of a convolution: count, first (groups, n) and second (groups, n, n)."""

    count: int
    first: np.ndarray
    second: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(groups, n)."""
        return self.first / self.count

    def covariance(self, group: int) -> np.ndarray:
        """(n, n)."""
        mean = self.mean[group]
        return self.second[group] / self.count - np.outer(mean, mean)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.first + other.first, self.second + other.second)


def moments(op: Synapse, x: torch.Tensor) -> Moments:
    """Of decoded values (N, *source) at a dense synapse or a convolution, in the order of its weights' columns."""
    if isinstance(op, ConvSynapse):
        kernel = op.weight.shape[2:]
        patches = torch.nn.functional.unfold(x.flatten(0, 1), kernel, op.dilation, op.padding, op.stride)
        rows = patches.swapaxes(1, 2).flatten(0, 1).unflatten(1, (op.groups, -1)).swapaxes(0, 1)
    else:
        rows = x.reshape(1, -1, x.shape[-1])
    rows = rows[:, :: -(-rows.shape[1] // ROWS)].double()
    return Moments(rows.shape[1], rows.sum(1).numpy(), (rows.mT @ rows).numpy())


def round_weights(op: Synapse, weight: np.ndarray, limit: int, seen: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """Integers within +-limit for ``weight``, in units of the mantissas, and what to add to the bias (out,).

    Without moments, and where weights are not shared, each weight is rounded to nearest.
    """
    if seen is None or not isinstance(op, DenseSynapse | ConvSynapse):
        return np.rint(weight), np.zeros(1)
    groups = np.split(weight.reshape(len(weight), -1), len(seen.first))
    rounded = [_compensate(rows, seen.covariance(g), limit) for g, rows in enumerate(groups)]
    offsets = [(rows - out) @ mean for rows, out, mean in zip(groups, rounded, seen.mean, strict=True)]
    return np.concatenate(rounded).reshape(weight.shape), np.concatenate(offsets)


def _compensate(weight: np.ndarray, covariance: np.ndarray, limit: int) -> np.ndarray:
    """Integers for rows of weights (out, n) that keep E[((w - w') x)^2] small, x of covariance (n, n)."""
    variance = np.diag(covariance)
    order = np.argsort(-variance)  # those that matter most while most others are free
    damped = covariance[np.ix_(order, order)] + DAMPING * max(variance.mean(), 1e-12) * np.eye(len(order))
    # row j of the factor: how errors of weight j are best made up for by those after it
    factor = scipy.linalg.cholesky(scipy.linalg.inv(damped), lower=False)
    free, out = weight[:, order].astype(np.float64), np.empty(weight.shape)
    for start in range(0, len(order), BLOCK):
        stop = min(start + BLOCK, len(order))
        errors = np.empty((len(weight), stop - start))
        for j in range(start, stop):
            out[:, j] = np.rint(free[:, j]).clip(-limit, limit)
            errors[:, j - start] = (free[:, j] - out[:, j]) / factor[j, j]
            free[:, j + 1 : stop] -= np.outer(errors[:, j - start], factor[j, j + 1 : stop])
        free[:, stop:] -= errors @ factor[start:stop, stop:]
    rounded = np.empty(weight.shape)
    rounded[:, order] = out
    return rounded
