"""Footprint of synapses: the weights that a tile stores, and which neurons a source neuron reaches."""

from __future__ import annotations

import math

import numpy as np

from processes.chips import Chip
from processes.footprint import NO_NEURONS, Amount, Fan, Shape, drivers, fans, layout, neurons
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse

neurons.refuse(NO_NEURONS, DenseSynapse, ConvSynapse, ScaleSynapse)
layout.always("rows", DenseSynapse, ScaleSynapse)
layout.always("pixels", ConvSynapse)


@fans.of(DenseSynapse)
def _(op: DenseSynapse, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """A column of the tile stores a row of the weights; a source neuron reaches all columns of its row."""
    outputs, inputs = op.weight.shape
    return (Fan("dense", inputs, Amount(row=inputs), Amount(column=inputs), chip.weight_bits, (1, outputs)),)


@fans.of(ConvSynapse)
def _(op: ConvSynapse, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """A column of the tile stores a kernel; a source neuron reaches the pixels whose kernels cover it."""
    fan_in = op.weight[0].size
    reach = math.prod(-(-k // s) for k, s in zip(op.weight.shape[2:], op.stride, strict=True))
    inputs = Amount(row=fan_in) if op.groups == 1 else Amount(neuron=fan_in)
    targets = (reach, len(op.weight) // op.groups)
    return (Fan("convolution", fan_in, inputs, Amount(column=fan_in), chip.weight_bits, targets),)


@fans.of(ScaleSynapse)
def _(op: ScaleSynapse, operand: int, shape: Shape, columns: int, chip: Chip) -> tuple[Fan, ...]:
    """One synapse for each value of the operand; pooled ones share a target."""
    pooled = math.prod(shape) // math.prod(op.shape)
    stored = Amount(column=-(-op.weight.size // columns))
    return (Fan("scale", pooled, Amount(neuron=pooled), stored, chip.weight_bits),)


@drivers.of(DenseSynapse)
def _(op: DenseSynapse, operand: int, source: np.ndarray) -> np.ndarray:
    """Every output of a row is driven by all inputs of the row."""
    return np.repeat(source.reshape(-1, source.shape[-1]), op.shape[-1], axis=0)


@drivers.of(ConvSynapse)
def _(op: ConvSynapse, operand: int, source: np.ndarray) -> np.ndarray:
    """A pixel's outputs are driven by the patch under their group's kernels."""
    seen = patches(op, source.shape)
    images = [np.concatenate([[-1], image.reshape(-1)])[seen] for image in source]  # (groups, positions, patch) of each
    return np.concatenate(
        [np.repeat(taps, len(op.weight) // op.groups, axis=0).reshape(-1, seen.shape[-1]) for taps in images]
    )


@drivers.of(ScaleSynapse)
def _(op: ScaleSynapse, operand: int, source: np.ndarray) -> np.ndarray:
    """An output is driven by the values that are pooled into it."""
    numbered = np.arange(math.prod(op.shape)).reshape(op.shape)
    output = np.broadcast_to(numbered, source.shape).reshape(-1)
    return source.reshape(-1)[np.argsort(output, kind="stable")].reshape(numbered.size, -1)


def patches(op: ConvSynapse, shape: tuple[int, ...]) -> np.ndarray:
    """1 + flat index of an image's inputs under the kernel, 0 for padding: (groups, output positions, patch).

    Args:
        op: the convolution.
        shape: of its operand, (images, in, H, W).
    """
    rows, columns = op.weight.shape[2:]
    numbered = np.arange(1, int(np.prod(shape[1:])) + 1).reshape(shape[1:])
    padded = np.pad(numbered, [(0, 0), *((p, p) for p in op.padding)])
    reach = ((rows - 1) * op.dilation[0] + 1, (columns - 1) * op.dilation[1] + 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))  # type: ignore[call-overload]
    windows = windows[:, :: op.stride[0], :: op.stride[1], :: op.dilation[0], :: op.dilation[1]]
    grouped = windows.reshape(op.groups, -1, *windows.shape[1:])
    positions = grouped.shape[2] * grouped.shape[3]
    return grouped.transpose(0, 2, 3, 1, 4, 5).reshape(op.groups, positions, -1)
