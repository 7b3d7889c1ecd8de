"""Compiled loops that turn codes back into numbers, and add these up."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import prange

from processes.kernels.compiled import njit

BLOCK = 16384  # values of one task


def decode_table(trace: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Value of every code, sign * trace_k, indexed by the code's last 8 bits (16 if T > 127); not to be written to.

    Indices that cannot be negative save compiled loops a test for wrapping around.
    """
    return _decode_table(np.ascontiguousarray(trace).tobytes(), trace.dtype, np.dtype(dtype))


@lru_cache(maxsize=256)
def _decode_table(trace: bytes, kept: np.dtype, dtype: np.dtype) -> np.ndarray:
    entries = np.frombuffer(trace, kept)
    steps = len(entries)
    table = np.zeros(256 if steps <= 127 else 65536, dtype)
    table[1 : steps + 1] = entries
    table[-steps:] = -entries[::-1]
    return table


@njit
def value(table, code):
    """Value of a code by a table of :func:`decode_table`."""
    return table[np.uint64(code) & np.uint64(len(table) - 1)]


@njit
def add_up(codes, table, values):
    """Write the values (n,) of codes (planes, n): the sum over planes of the table's entries."""
    first = codes[0]
    if len(codes) == 1:
        for i in range(len(values)):
            values[i] = value(table, first[i])
    else:  # both at once: what is stored and loaded again costs as much as a value
        second = codes[1]
        for i in range(len(values)):
            values[i] = value(table, first[i]) + value(table, second[i])
    for p in range(2, len(codes)):
        later = codes[p]
        for i in range(len(values)):
            values[i] += value(table, later[i])


@njit(parallel=True, cache=True)
def decode(codes, table, out):
    """Write the values out (n,) of codes (planes, n): the sum over planes of the table's entries."""
    n = codes.shape[1]
    for b in prange((n + BLOCK - 1) // BLOCK):
        part = slice(b * BLOCK, min(n, (b + 1) * BLOCK))
        add_up(codes[:, part], table, out[part])


@njit
def add_up_sizes(codes, table, values, sizes):
    """Write values (n,) of codes (planes, n), two planes or more, and sizes (n,) = sums of the entries' magnitudes."""
    first, second = codes[0], codes[1]
    for i in range(len(values)):
        one, other = value(table, first[i]), value(table, second[i])
        values[i], sizes[i] = one + other, abs(one) + abs(other)
    for p in range(2, len(codes)):
        later = codes[p]
        for i in range(len(values)):
            more = value(table, later[i])
            values[i] += more
            sizes[i] += abs(more)


@njit(parallel=True, cache=True)
def decode_sizes(codes, table, out, sizes):
    """Write values out (n,) of codes (planes, n), two planes or more, and sizes (n,) = sums of entries' magnitudes."""
    n = codes.shape[1]
    for b in prange((n + BLOCK - 1) // BLOCK):
        part = slice(b * BLOCK, min(n, (b + 1) * BLOCK))
        add_up_sizes(codes[:, part], table, out[part], sizes[part])


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def row_sums(codes, table, out):
    """Write the row sums out (R,) of the values of codes (planes, R, D)."""
    for r in prange(len(out)):
        total = table.dtype.type(0)
        for p in range(codes.shape[0]):
            row = codes[p, r]
            for d in range(len(row)):
                total += value(table, row[d])
        out[r] = total
