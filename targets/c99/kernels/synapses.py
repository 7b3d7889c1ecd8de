"""C kernels of synapses and wiring."""

from __future__ import annotations

import numpy as np
import torch

from processes.errors import DeployError
from processes.routing import Route, apply
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse
from targets.c99.kernels.kernel import Constants, Kernel, Place, fold, size, words


def dense(op: DenseSynapse, place: Place) -> Kernel:
    """Kernel of a dense synapse, its weights transposed to (inputs, outputs), so that a spike reads one row."""
    outputs, inputs = op.weight.shape
    return Kernel("dense", {
        "start": place.window.start, "rows": size(op.shape) // outputs, "inputs": inputs, "outputs": outputs,
        "trace": words(op.trace), "weight": Constants("int8_t", op.weight.T), "bias": words(op.bias),
    })  # fmt: skip


def conv2d(op: ConvSynapse, place: Place) -> Kernel:
    """Kernel of a convolution, its weights ordered by channel and position, so that a spike reads contiguous ones."""
    channels, height, width = place.shapes[0][-3:]
    outputs, ins, rows, columns = op.weight.shape
    grouped = op.weight.reshape(op.groups, outputs // op.groups, ins, rows, columns).transpose(0, 2, 3, 4, 1)
    return Kernel("conv2d", {
        "start": place.window.start, "images": op.shape[0], "channels": channels, "height": height, "width": width,
        "outputs": outputs, "out_height": op.shape[-2], "out_width": op.shape[-1], "groups": op.groups,
        "kernel_y": rows, "kernel_x": columns, "stride_y": op.stride[0], "stride_x": op.stride[1],
        "padding_y": op.padding[0], "padding_x": op.padding[1],
        "dilation_y": op.dilation[0], "dilation_x": op.dilation[1],
        "trace": words(op.trace), "weight": Constants("int8_t", grouped), "bias": words(op.bias),
    })  # fmt: skip


def scale(op: ScaleSynapse, place: Place) -> Kernel:
    """Kernel of one weight for each input, with the output that each input adds to.

    Raises:
        DeployError: the sums run over axes that struct fold cannot express.
    """
    source = place.shapes[0]
    weights, weight = fold(source, op.weight)
    target, numbers = fold(source, np.arange(size(op.shape)).reshape(op.shape))
    if numbers.size != size(op.shape):
        raise DeployError(
            f"sums over axes {op.pool} of samples {source}; in C they are neighbours, or two groups of them"
        )
    biases, bias = fold(op.shape, op.bias)
    return Kernel("scale", {
        "start": place.window.start, "inputs": size(source), "outputs": size(op.shape),
        "weights": weights, "target": target, "biases": biases,
        "trace": words(op.trace), "weight": Constants("int8_t", weight), "bias": words(bias),
    })  # fmt: skip


def route(op: Route, place: Place) -> Kernel | None:
    """Kernel of wiring, by strides if these describe it, else by an index map; None if all values stay in place."""
    numbered = torch.arange(1, size(op.source_shape) + 1).reshape(op.source_shape)
    index = apply(numbered, op.chain, 0).contiguous().numpy() - 1
    if np.array_equal(index.reshape(-1), np.arange(size(op.source_shape))):
        return None
    kind = "spikes" if op.carries == "spikes" else "numbers"
    shape, stride = _strides(index)
    counted = np.indices(tuple(shape.tolist())).reshape(len(shape), -1).T @ stride + index.flat[0]
    regular = np.array_equal(counted, index.reshape(-1))
    return Kernel(f"route_{kind}", {
        "size": index.size, "dimensions": len(shape) if regular else 0, "offset": index.flat[0] if regular else 0,
        "shape": words(shape) if regular else None, "stride": words(stride) if regular else None,
        "index": None if regular else words(index),
    }, struct="route")  # fmt: skip


def _strides(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lengths, strides) of an index map's axes, int64, with contiguous neighbouring axes merged into one.

    A stride is the difference of the first two indices along its axis.
    """
    shape, stride = [1], [0]
    for axis, length in enumerate(index.shape):
        if length == 1:
            continue
        step = int(np.moveaxis(index, axis, 0).reshape(length, -1)[1, 0]) - int(index.flat[0])
        if stride[-1] == step * length:
            shape[-1], stride[-1] = shape[-1] * length, step
        else:
            shape.append(length)
            stride.append(step)
    return np.array(shape), np.array(stride)
