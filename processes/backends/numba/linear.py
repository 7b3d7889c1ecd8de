"""Products of spikes and weights in integers: of bytes where the processor has instructions for these, else float32."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch

from processes.backends.numba.bounds import decode_norms
from processes.backends.numba.decode import decode_sizes
from processes.backends.numba.views import as_numpy
from processes.backends.rows import Rows
from processes.backends.torch.linear import linear as plain_linear
from processes.backends.torch.linear import one_sided as plain_one_sided
from processes.batches import slices
from processes.kernels import limbs
from processes.kernels.decode import decode_table

LARGEST = 127  # magnitude of a signed byte
LARGEST_VALUE = (LARGEST << limbs.BITS) + limbs.HALF - 1  # of a value in two signed bytes
INPUTS = range(32, 2**16)
"""Numbers of inputs that are multiplied as bytes: fewer save nothing, and with more, sums could reach 2^31.

PyTorch 2.14 multiplies byte matrices of one column wrongly.
"""
PAYS = 192  # least inputs per plane for which products of bytes save more than splitting and joining cost
BLOCK = 2**16  # sums at a time: few enough to be joined before they leave a core's cache,
PACKED = 2**13  # but at least a row for so many weights, as each product first reorders the weights


@cache
def multiplies_bytes() -> bool:
    """Whether this processor has instructions for sums of products of bytes; without, they are slower than float32."""
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_vnni") or known.get("avx_vnni"))


def linear(codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials W x + b (R, out), float32, of values x of codes (planes, R, in), and norms of the sizes of x, (R,).

    Sizes are sums of |trace_k| over a neuron's spikes; the norm is Euclidean.
    """
    outputs, inputs = rows.weight.shape
    largest = len(codes) * int(np.abs(trace).max())
    if not (largest <= LARGEST_VALUE and inputs >= PAYS * len(codes) and _takes(codes, rows)):
        return plain_linear(codes, rows, bias, trace, decode_norms)
    high, low = (torch.empty(codes.shape[1:], dtype=torch.int8) for _ in range(2))
    squares, y = torch.empty(codes.shape[1]), torch.empty((codes.shape[1], outputs))
    limbs.split(as_numpy(codes), decode_table(trace, np.int32), high.numpy(), low.numpy(), squares.numpy())
    most = largest * rows.largest_sum + int(np.abs(bias).max(initial=0))
    offset = np.ascontiguousarray(bias, np.int32 if most < 2**31 else np.int64)
    for part in _parts(y, rows):
        lower = _bytes(low[part], rows.transposed).numpy()
        upper = _bytes(high[part], rows.transposed).numpy() if largest >= limbs.HALF else None
        limbs.join(upper, lower, offset, y[part].numpy())
    return y, squares.sqrt_()


def one_sided(codes: torch.Tensor, y: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray) -> torch.Tensor:
    """For each row, float64 (R,), a bound on the sums of positive and of negative terms of any output with its bias.

    It is half the sum of the terms' magnitudes plus half of |y|, y (R, out) being the sum from :func:`linear`. Where
    bytes are multiplied, each spike's size is first rounded up to a multiple of a unit with which a neuron's sizes fit
    a byte.
    """
    if not _takes(codes, rows):
        return plain_one_sided(codes, y, rows, bias, trace, decode_sizes)
    magnitude = np.abs(trace).astype(np.int64)
    unit = max(1, -(-int(magnitude.max()) // (LARGEST // len(codes))))  # a trace of few bits may end in zeros
    table = np.abs(decode_table(-(-magnitude // unit), np.int8))
    sizes, out = torch.empty(codes.shape[1:], dtype=torch.int8), torch.empty(codes.shape[1])
    limbs.sizes(as_numpy(codes), table, sizes.numpy())
    offset = np.abs(bias).astype(np.float32)
    for part in _parts(y, rows):
        magnitudes = _bytes(sizes[part], rows.magnitudes)
        limbs.one_sided(magnitudes.numpy(), np.float32(unit), offset, y[part].numpy(), out[part].numpy())
    return out.double() * (1 + 2.0**-20)  # float32 may have rounded down


def _parts(y: torch.Tensor, rows: Rows) -> Iterator[slice]:
    """Slices of the rows of y (R, out) that are multiplied at a time."""
    return slices(len(y), max(1, BLOCK // y.shape[1], rows.weight.size // PACKED))


def _bytes(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Product, int32, of two int8 matrices; exact while its sums stay below 2^31."""
    return torch._int_mm(a, b)  # pyright: ignore[reportPrivateImportUsage]


def _takes(codes: torch.Tensor, rows: Rows) -> bool:
    """Whether products with these weights are fast by bytes, and sums, magnitudes and the planes are in range."""
    return multiplies_bytes() and rows.fits_bytes and rows.weight.shape[1] in INPUTS and len(codes) <= LARGEST
