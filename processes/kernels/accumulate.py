"""Compiled loop of synapses in fixed point: adds the weights of every spike to saturating potentials, step by step."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit

COLUMNS = 512  # outputs at a time: their potentials stay in the first cache, their weights in the second
TASKS = 64  # pieces of work that threads share


@njit(parallel=True, cache=True)
def step_rows(codes, weight, bias, trace, limit, y, clips):
    """Write potentials y (R, out), float32, of codes (planes, R, in), and add the number of clips of each to ``clips``.

    weight (2 in, out) int8 has each input's row, then its negative; bias (out,) and trace (T,) are of the integer type
    in which potentials are held. Each step adds its trace entry times the rows of its spikes, four at a time, and clips
    the potentials to +-limit.
    """
    planes, rows, inputs = codes.shape
    outputs, steps = weight.shape[1], len(trace)
    blocks = (outputs + COLUMNS - 1) // COLUMNS
    parts = max(1, min(rows, TASKS // blocks))
    for task in prange(blocks * parts):
        block, part = task // parts, task % parts
        own = slice(block * COLUMNS, min(outputs, (block + 1) * COLUMNS))
        ends, events = np.empty(steps + 2, np.int64), np.empty(planes * inputs, np.int32)
        v = np.empty(own.stop - own.start, bias.dtype)
        for r in range(rows * part // parts, rows * (part + 1) // parts):
            _sort(codes, r, ends, events)
            v[:] = bias[own]
            clipped = clips[r, own]
            for k in range(steps):
                p, begin, end = trace[k], ends[k], ends[k + 1]
                fours = begin + (end - begin) // 4 * 4
                for i in range(begin, fours, 4):
                    a, b = weight[events[i], own], weight[events[i + 1], own]
                    c, d = weight[events[i + 2], own], weight[events[i + 3], own]
                    for o in range(len(v)):
                        v[o] += p * (np.int32(a[o]) + np.int32(b[o]) + np.int32(c[o]) + np.int32(d[o]))
                for i in range(fours, end):
                    a = weight[events[i], own]
                    for o in range(len(v)):
                        v[o] += p * np.int32(a[o])
                if end > begin or k == 0:
                    _clip(v, limit, clipped)
            y[r, own] = v


@njit
def _clip(v, limit, clips):
    """Clip potentials v to +-limit in place and count in ``clips``; nearly always their peak shows that none clips."""
    peak = v.dtype.type(0)
    for o in range(len(v)):
        peak = max(peak, abs(v[o]))
    if peak > limit:
        for o in range(len(v)):
            if abs(v[o]) > limit:
                v[o] = limit if v[o] > 0 else -limit
                clips[o] += 1


@njit
def _sort(codes, r, ends, events):
    """Put the spikes of row r into ``events`` in order of time: 2j for input j, or 2j + 1 for a negative spike.

    Those of step k are events[ends[k] : ends[k + 1]].
    """
    planes, _, inputs = codes.shape
    ends[:] = 0
    for p in range(planes):
        row = codes[p, r]
        for j in range(inputs):
            ends[abs(np.int64(row[j])) + 1] += row[j] != 0
    for k in range(2, len(ends)):
        ends[k] += ends[k - 1]  # where events of code k begin; the loop below moves it to where they end
    for p in range(planes):
        row = codes[p, r]
        for j in range(inputs):
            code = np.int64(row[j])
            if code != 0:
                events[ends[abs(code)]] = 2 * j + (code < 0)
                ends[abs(code)] += 1
