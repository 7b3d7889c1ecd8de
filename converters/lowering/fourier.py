"""Fourier transforms, which are linear: along each axis a dense synapse from one kind of numbers to another.

Rows of its weights are the transforms of single numbers, pairs of (real, imaginary) parts standing side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from converters.lowering.arithmetic import scale
from converters.lowering.builder import Unsupported, Value
from converters.lowering.complex_numbers import Complex
from converters.lowering.handlers import Call, handles
from converters.lowering.linear import dense

Transform = Callable[[torch.Tensor], torch.Tensor]
FORWARD: Transform = torch.fft.fft
INVERSE: Transform = partial(torch.fft.ifft, norm="forward")
POWERS = {0: 0.0, 1: -0.5, 2: -1.0}
"""By PyTorch's number of a normalisation: the power of the number of values that the transform is multiplied by."""


@handles("_fft_c2c", "_fft_r2c", "_fft_c2r")
def fourier(call: Call) -> Any:
    """A transform of complex or real numbers, or back to real ones, along some axes, one after the other."""
    x, axes, normalisation, how = call.args[:4]
    if not isinstance(x, (Value, Complex)):
        raise Unsupported("a Fourier transform of a mask or a choice")
    pairs, paired = (x.pairs, True) if isinstance(x, Complex) else (x, False)
    rank = len(pairs.shape) - paired
    *others, last = (int(axis) % rank for axis in axes)
    count = math.prod(pairs.shape[axis] for axis in others)
    match call.function:
        case "_fft_r2c":
            count *= pairs.shape[last]
            pairs = _along(call, pairs, last, torch.fft.rfft if how else FORWARD, paired)
            pairs = _each(call, pairs, others, FORWARD, True)
        case "_fft_c2c":
            count *= pairs.shape[last]
            pairs = _each(call, pairs, [last, *others], FORWARD if how else INVERSE, paired)
        case _:
            count *= how
            pairs = _each(call, pairs, others, INVERSE, paired)
            back = partial(torch.fft.irfft, n=how, norm="forward")
            pairs = _along(call, pairs, last, back, paired or bool(others), real=True)
    pairs = scale(pairs, float(count) ** POWERS[normalisation])
    return pairs if call.function == "_fft_c2r" else Complex(pairs)


def _each(call: Call, x: Value, axes: list[int], transform: Transform, paired: bool) -> Value:
    """Complex transforms along axes; ``paired`` says whether ``x`` has an axis of pairs."""
    for axis in axes:
        x, paired = _along(call, x, axis, transform, paired), True
    return x


def _along(call: Call, x: Value, axis: int, transform: Transform, paired: bool, *, real: bool = False) -> Value:
    """``x`` transformed along an axis, with an axis of pairs at its end unless the result is ``real``."""
    weight = weights(transform, x.shape[axis], paired, real)
    rank = len(x.shape) - paired
    others = [a for a in range(rank) if a != axis]
    rows = x.routed(("permute", [*others, axis, *([rank] if paired else [])]))
    lead = [x.shape[a] for a in others]
    rows = rows.routed(("reshape", [*lead, weight.shape[1]]))
    y = dense(replace(call, name=f"{call.name}.{axis}"), rows, weight.numpy(), None)
    y = y.routed(("reshape", [*lead, *([len(weight)] if real else [len(weight) // 2, 2])]))
    back = [others.index(a) if a != axis else rank - 1 for a in range(rank)]
    return y.routed(("permute", [*back, *([] if real else [rank])]))


def weights(transform: Transform, count: int, paired: bool, real: bool) -> torch.Tensor:
    """Weights, float64 (out, in), of a transform of ``count`` numbers, or pairs, to numbers if ``real``, else to pairs."""
    inputs = torch.eye(count * (1 + paired), dtype=torch.float64)
    numbers = torch.view_as_complex(inputs.reshape(-1, count, 2)) if paired else inputs
    found = transform(numbers)
    return (found if real else torch.view_as_real(found)).flatten(1).T.contiguous()
