"""Compiled loops that bound sums of spikes: norms of decoded values, and which rows of potentials may have been clipped."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit
from processes.kernels.decode import add_up, add_up_sizes
from processes.kernels.lookup import rows_together

MAGNITUDE = np.int32(0x7FFFFFFF)  # bits of a float32 but its sign


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def decode_norms(codes, table, length, out, norms):
    """Write values out (n,) of codes (planes, n), and norms (R,), each of the sizes of ``length`` values.

    A value is the sum over planes of the table's entries, its size that of their magnitudes. What one worker decodes at a
    time is still in the nearest cache when it is squared.
    """
    together = rows_together(length)
    for part in prange((len(norms) + together - 1) // together):
        rows = range(part * together, min(len(norms), (part + 1) * together))
        here = slice(rows.start * length, rows.stop * length)
        values = sizes = out[here]
        if len(codes) == 1:
            add_up(codes[:, here], table, values)  # squares have no sign
        else:
            sizes = np.empty(len(values), out.dtype)
            add_up_sizes(codes[:, here], table, values, sizes)
        for r in rows:
            row, total = sizes[(r - rows.start) * length : (r - rows.start + 1) * length], out.dtype.type(0)
            for j in range(len(row)):
                total += row[j] * row[j]
            norms[r] = np.sqrt(total)


@njit(parallel=True, cache=True)
def may_clip(y, norms, factor, offset, limit, out):
    """Write where reach + largest |y| of a row > 2 limit, reach being factor * norm + offset, and return how often.

    y (R, n) is int32 and holds the bits of float32, which magnitudes are in the order of: compilers look for the largest of
    many integers at a time, but of one float after another, as one might be no number. No |y| is larger than its row's reach.
    """
    together, found = rows_together(y.shape[1]), 0
    for part in prange((len(y) + together - 1) // together):
        for r in range(part * together, min(len(y), (part + 1) * together)):
            row, reach, largest = y[r], norms[r] * factor + offset, np.int32(0)
            if reach > limit:
                for j in range(len(row)):
                    largest = max(largest, np.int32(row[j] & MAGNITUDE))
            out[r] = reach + np.int32(largest).view(np.float32) > 2 * limit
            found += np.int64(out[r])
    return found
