"""Codes and what they stand for: how parameters fold over samples, decoded values of codes, bounds of their sums."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.tables import Axes

FOLDING = 4
"""Most groups of axes that can fold: repeated, varying (A), repeated (M), varying (D)."""


def parameter_axes(shape: tuple[int, ...], parameter: tuple[int, ...]) -> Axes:
    """(A, M, D) under which samples of ``shape`` fold, given the broadcast shape of their parameters.

    Parameters vary along A and D and repeat along M and along every axis before A.

    Raises:
        ValueError: the parameters vary along more than two separate groups of axes.
    """
    lengths = _groups(shape, parameter)
    if len(lengths) == 1:
        return 1, 1, shape[-1]
    if len(lengths) == 2:
        return 1, 1, lengths[1]
    if len(lengths) > FOLDING:
        raise ValueError(f"parameters of shape {parameter} do not fold over samples of shape {shape}")
    _, a, m, d = [*lengths, 1][:FOLDING]
    return a, m, d


def foldable(shape: tuple[int, ...], parameter: tuple[int, ...]) -> tuple[int, ...]:
    """The parameters' shape with as few of its last axes in full length as :func:`parameter_axes` needs."""
    repeated = len(shape)
    while len(_groups(shape, (*parameter[:repeated], *shape[repeated:]))) > FOLDING:
        repeated -= 1
    return (*parameter[:repeated], *shape[repeated:])


def _groups(shape: tuple[int, ...], parameter: tuple[int, ...]) -> list[int]:
    """Lengths of the groups of axes along which parameters alternately repeat and vary."""
    lengths = [1]
    for full, size in zip(shape, parameter, strict=True):
        varies = size > 1
        if full > 1 and varies != (len(lengths) % 2 == 0):
            lengths.append(1)
        lengths[-1] *= full
    return lengths


def row_axes(shape: tuple[int, ...], parameter: tuple[int, ...]) -> Axes:
    """(A, M, D) of :func:`parameter_axes` with D the last axis alone, as where each row along it has its own factor.

    Raises:
        ValueError: the parameters vary along more than one group of axes before the last.
    """
    if max(parameter[:-1], default=1) == 1:
        return 1, 1, shape[-1]
    a, m, d = parameter_axes(shape[:-1], parameter[:-1])
    if d > 1 and (a, m) != (1, 1):
        raise ValueError(f"parameters of shape {parameter} do not fold over rows of samples of shape {shape}")
    return (d, 1, shape[-1]) if d > 1 else (a, m, shape[-1])


def silence_after(codes: torch.Tensor, latest: np.ndarray | None) -> None:
    """Remove spikes after step ``latest`` (broadcast shape) from planes 1 on of codes (planes, N, *shape), in place."""
    if latest is not None:
        further = codes[1:]
        further.masked_fill_(further.abs() > constant(latest, codes.device) + 1, 0)


def may_fire(left: np.ndarray, spikes: int, latest: np.ndarray | None, k: int) -> np.ndarray:
    """Which neurons with ``left`` of their ``spikes`` may fire at step k; after a first spike only until ``latest``."""
    return left > 0 if latest is None else (left > 0) & ((left == spikes) | (k <= latest))


def trains(codes: torch.Tensor, steps: int) -> torch.Tensor:
    """Codes (planes, N, *shape) sorted by step, (T, N, *shape): plane k has the codes of the spikes at step k."""
    found = torch.zeros((steps + 1, *codes.shape[1:]), dtype=codes.dtype, device=codes.device)
    for plane in codes:
        found.scatter_(0, plane.abs().long()[None], plane[None])
    return found[1:]


def per_neuron(parameter: np.ndarray, axes: Axes, dtype: type | np.dtype) -> np.ndarray:
    """Parameters (P,), shared (P = 1) or one per neuron, as a contiguous array (A, D)."""
    a, _, d = axes
    full = parameter.reshape(a, d) if parameter.size > 1 else np.broadcast_to(parameter.reshape(1, 1), (a, d))
    return np.ascontiguousarray(full, dtype)


def by_step(table: np.ndarray, axes: Axes, dtype: type | np.dtype) -> np.ndarray:
    """Tables (P, T), shared (P = 1) or one per neuron, as an array (T, A, D)."""
    return np.stack([per_neuron(column, axes, dtype) for column in table.T])


def decode(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Values (N, *shape) of codes (planes, N, *shape): sum of sign * trace_k over each neuron's spikes."""
    return backend_of(codes).decode(codes, trace, dtype)


def decode_bounded(codes: torch.Tensor, trace: np.ndarray, axis: int = -1) -> tuple[torch.Tensor, torch.Tensor]:
    """Values of codes, float32 (N, *shape), and a bound along ``axis``, (N, *shape without the axis).

    The bound is the Euclidean norm of the neurons' sums of |trace_k|: no subset of the spikes has values of a larger
    norm.
    """
    backend = backend_of(codes)
    if axis == -1:
        return backend.decode_norms(codes, trace)
    values, sizes = backend.decode_sizes(codes, trace, torch.float32)
    return values, sizes.square().sum(axis).sqrt_()  # along other axes than the last, norms take seven times as long


def decoded_sums(codes: torch.Tensor, trace: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Sums (N, *shape without its last axis) of the values of codes (planes, N, *shape) along the last axis."""
    return backend_of(codes).row_sums(codes, trace, dtype)


def taken(values: torch.Tensor, which: torch.Tensor, axis: int = 0) -> torch.Tensor:
    """Entries of ``values`` along an axis at ascending indices ``which``, without a copy if these are all."""
    return values if len(which) == values.shape[axis] else values.index_select(axis, which)


def peak(values: torch.Tensor) -> torch.Tensor:
    """Largest magnitude along the last axis, without a copy of the values."""
    return torch.maximum(values.amax(-1), -values.amin(-1))
