"""Decoded values split into two signed bytes each, for matrix products of bytes, and results of such products joined.

x = 128 high + low, with low from -64 to 63; the size of a value is the sum of |trace_k| over its neuron's spikes.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit
from processes.kernels.decode import value

BITS = 7  # of the lower byte
HALF = 1 << (BITS - 1)


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def split(codes, table, high, low, squares):
    """Write bytes high and low (R, in) of values of codes (planes, R, in), and squares (R,) float32 = sums of size^2.

    ``table`` is an int32 table of :func:`processes.kernels.decode.decode_table`.
    """
    planes, _, inputs = codes.shape
    entries = table.copy()  # cannot alias what is written below
    for r in prange(len(squares)):
        x, size, total = np.empty(inputs, np.int32), np.empty(inputs, np.int32), np.float32(0)
        first, upper, lower = codes[0, r], high[r], low[r]
        for j in range(inputs):
            x[j] = value(entries, first[j])
        for j in range(inputs):
            size[j] = abs(x[j])
        for p in range(1, planes):
            row = codes[p, r]
            for j in range(inputs):
                entry = value(entries, row[j])
                x[j] += entry
                size[j] += abs(entry)
        for j in range(inputs):
            above = (x[j] + np.int32(HALF)) >> np.int32(BITS)
            upper[j] = np.int8(above)
            lower[j] = np.int8(x[j] - (above << np.int32(BITS)))
        for j in range(inputs):
            total += np.float32(size[j]) * np.float32(size[j])
        squares[r] = total


@njit(parallel=True, cache=True)
def sizes(codes, table, out):
    """Write sizes out (R, in) int8 of codes (planes, R, in): sums over planes of the table's entries, none negative."""
    for r in prange(len(out)):
        own = out[r]
        own[:] = 0
        for p in range(codes.shape[0]):
            row = codes[p, r]
            for j in range(len(own)):
                own[j] += value(table, row[j])


@njit(parallel=True, cache=True)
def join(high, low, bias, out):
    """Write potentials out (R, O) float32 = 128 high + low + bias (O,), added in the bias's integer type.

    high and low (R, O) int32 are products of the weights with either byte; ``high`` is None where its bytes are all 0.
    """
    number = bias.dtype.type
    for r in prange(len(out)):
        lower, own = low[r], out[r]
        if high is None:
            for o in range(len(own)):
                own[o] = np.float32(number(lower[o] + bias[o]))
        else:
            upper = high[r]
            for o in range(len(own)):
                own[o] = np.float32(number((number(upper[o]) << BITS) + lower[o] + bias[o]))


@njit(parallel=True, cache=True)
def one_sided(magnitudes, unit, bias, y, out):
    """Write out (R,) = the largest over O of (unit * magnitudes + bias + |y|) / 2, which bounds terms of one sign.

    magnitudes int32 and y float32, (R, O), are sums of |terms| in ``unit`` and potentials; bias (O,) float32 is |bias|.
    """
    for r in prange(len(out)):
        size, own, largest = magnitudes[r], y[r], np.int32(0)
        for o in range(len(own)):  # bits of positive floats have their order, and integers are compared many at a time
            reach = np.float32(size[o]) * unit + bias[o] + abs(own[o])
            largest = max(largest, np.float32(reach).view(np.int32))
        out[r] = np.int32(largest).view(np.float32) / 2
