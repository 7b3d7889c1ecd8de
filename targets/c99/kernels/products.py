"""C kernels of products of spike trains by synaptic traces."""

from __future__ import annotations

import numpy as np

from processes.elementwise_product import ElementwiseProduct
from processes.errors import DeployError
from processes.trace_product import SquareSum, TraceProduct
from targets.c99.kernels.kernel import Kernel, Place, State, Struct, fold, size, words


def trace_product(op: TraceProduct, place: Place) -> Kernel:
    """Kernel of a matrix product by traces: both operands' local traces are its state; strides address b's columns."""
    (*lead, rows, depth), b = place.shapes
    columns = op.shape[-1]
    biases, bias = fold(op.shape, op.bias)
    return Kernel(
        "trace_product",
        {
            "start": place.window.start, "start_a": place.starts[0], "start_b": place.starts[1],
            "lead": size(tuple(lead)), "rows": rows, "columns": columns, "depth": depth,
            "b_column": depth if op.transpose_b else 1, "b_depth": 1 if op.transpose_b else columns,
            "trace_a": words(op.traces[0]), "trace_b": words(op.traces[1]),
            "biases": biases, "bias": words(bias) if bias.any() else None,
        },
        (State("int32_t", size(place.shapes[0])), State("int32_t", size(b))),
        scratch=rows * columns,
    )  # fmt: skip


def square_sum(op: SquareSum, place: Place) -> Kernel:
    """Kernel of a sum of squares: a local trace for each feature, and the fraction that each row's sum keeps."""
    assert op.shift is not None
    shifts, shift = fold(place.shapes[0], op.shares)
    return Kernel(
        "square_sum",
        {
            "start": place.starts[0], "rows": size(op.shape), "columns": place.shapes[0][-1],
            "fraction": op.fraction_bits, "trace": words(op.trace), "shifts": shifts, "shift": words(shift),
        },
        (State("int32_t", size(place.shapes[0])), State("int32_t", size(op.shape))),
    )  # fmt: skip


def elementwise_product(op: ElementwiseProduct, place: Place) -> Kernel:
    """Kernel of an elementwise product: both operands' local traces, and which of their values a neuron multiplies.

    Raises:
        DeployError: an operand repeats along axes that struct fold cannot express.
    """
    folds: list[Struct] = []
    for shape in place.shapes:
        values, numbers = fold(op.shape, np.arange(size(shape)).reshape(shape))
        if numbers.size != size(shape):
            raise DeployError(
                f"operands {shape} of products {op.shape} repeat along axes that C does not tell apart: in C they vary along "
                f"neighbours, or two groups of them"
            )
        folds.append(values)
    a, b = map(size, place.shapes)
    return Kernel(
        "elementwise_product",
        {
            "start": place.window.start, "start_a": place.starts[0], "start_b": place.starts[1],
            "size": size(op.shape), "size_a": a, "size_b": b, "of_a": folds[0], "of_b": folds[1],
            "trace_a": words(op.traces[0]), "trace_b": words(op.traces[1]),
        },
        (State("int32_t", a), State("int32_t", b)),
    )  # fmt: skip
