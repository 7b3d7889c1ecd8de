"""Products by traces."""

from __future__ import annotations

from processes.trace_product import SquareSum, TraceProduct
from targets.c99.kernels.kernel import Kernel, Place, State, fold, size, words


def trace_product(op: TraceProduct, place: Place) -> Kernel:
    """Both sides' local traces, and where b's columns lie."""
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
    """One local trace for each feature."""
    assert op.shift is not None
    shifts, shift = fold(place.shapes[0], op.shift)
    return Kernel(
        "square_sum",
        {
            "start": place.starts[0], "rows": size(op.shape), "columns": place.shapes[0][-1],
            "trace": words(op.trace), "shifts": shifts, "shift": words(shift),
        },
        (State("int32_t", size(place.shapes[0])),),
    )  # fmt: skip
