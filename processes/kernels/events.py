"""Compiled loops that count events in codes: 0 for silence, +-(k+1) for a spike at step k."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import prange

from processes.kernels.compiled import njit


@njit(parallel=True, cache=True)
def fired(codes):
    """Count in codes (planes, neurons): (spikes, neurons that used all planes, sum of these neurons' last k + 1)."""
    planes, neurons = codes.shape
    spikes = spent = last = 0
    for n in prange(neurons):
        own = latest = 0
        for p in range(planes):
            c = abs(np.int64(codes[p, n]))
            own += c > 0
            latest = max(latest, c)
        spikes += own
        if own == planes:
            spent += 1
            last += latest
    return spikes, spent, last


@njit(parallel=True, cache=True)
def distinct_steps(codes, steps):
    """Sum over the rows of codes (planes, rows, columns) of the number of steps in which at least one neuron spikes."""
    planes, rows, columns = codes.shape
    total = 0
    for r in prange(rows):
        seen = np.zeros(steps + 1, np.uint8)
        for p in range(planes):
            for c in range(columns):
                seen[abs(np.int64(codes[p, r, c]))] = 1
        total += np.int64(seen[1:].sum())
    return total


@njit(parallel=True, cache=True)
def column_spikes(codes):
    """Spikes of each column of codes (planes, rows, columns), int64 (columns,)."""
    planes, rows, columns = codes.shape
    counts = np.zeros(columns, np.int64)
    for r in prange(rows):
        own = np.zeros(columns, np.int64)
        for p in range(planes):
            for c in range(columns):
                own[c] += codes[p, r, c] != 0
        counts += own
    return counts


@njit(parallel=True, cache=True)
def convolution(codes, synapses, out_size, stride, padding, dilation, steps):
    """Count (synaptic operations, patch-steps) of a convolution over codes (planes, N, channels, H, W).

    A patch-step is a step in which a neuron spikes in the patch of one output position and group. ``synapses``
    (channels, kh, kw), int64, is the number of weights stored for a channel at a kernel position; ``out_size`` is
    (groups, H', W').
    """
    planes, samples, channels, height, width = codes.shape
    groups, out_h, out_w = out_size
    _, kh, kw = synapses.shape
    each = channels // groups
    operations = occupied = 0
    for place in prange(samples * groups * out_h):
        n, g, y = place // (groups * out_h), place // out_h % groups, place % out_h
        for x in range(out_w):
            seen = np.zeros(steps + 1, np.uint8)
            for c in range(g * each, (g + 1) * each):
                for i in range(kh):
                    row = y * stride[0] - padding[0] + i * dilation[0]
                    if not 0 <= row < height:
                        continue
                    for j in range(kw):
                        column = x * stride[1] - padding[1] + j * dilation[1]
                        if not 0 <= column < width:
                            continue
                        for p in range(planes):
                            code = abs(np.int64(codes[p, n, c, row, column]))
                            seen[code] = 1
                            if code:
                                operations += synapses[c, i, j]
            occupied += np.int64(seen[1:].sum())
    return operations, occupied


@njit(parallel=True, cache=True)
def product(a, b, delay_a, delay_b, steps):
    """Count the events of trace-driven products a b^T over D, of codes (planes, L, I, D) and (planes, L, J, D).

    ``delay_a`` and ``delay_b`` shift each operand's steps to a common clock of ``steps`` steps; nothing arrives before
    the later operand begins. Counts operations, updates, and the spikes of a and of b that arrive. A spike is one operation
    for each non-zero trace of the other operand that it meets; an update is a product neuron's step in which a spike
    arrives there.
    """
    lead, rows_a, depth = a.shape[1:]
    rows_b = b.shape[2]
    begin = max(delay_a, delay_b)
    operations = updates = arriving_a = arriving_b = 0
    for place in prange(lead):
        spikes_a, first_a, active_a = _histograms(a[:, place], delay_a, steps)
        spikes_b, first_b, active_b = _histograms(b[:, place], delay_b, steps)
        for d in range(depth):
            held_a = held_b = 0  # neurons that have spiked, whose trace is not zero
            for k in range(steps):
                before_a = held_a
                held_a += first_a[d, k]
                held_b += first_b[d, k]
                if k >= begin:
                    # (r_a + da)(r_b + db) - r_a r_b = da (r_b + db) + r_a db
                    operations += spikes_a[d, k] * held_b + before_a * spikes_b[d, k]
                    arriving_a += spikes_a[d, k]
                    arriving_b += spikes_b[d, k]
        for k in range(begin, steps):
            one, other = active_a[k], active_b[k]
            updates += one * rows_b + other * rows_a - one * other
    return operations, updates, arriving_a, arriving_b


@njit
def _histograms(codes, delay, steps):
    """Count in codes (planes, rows, D) by step: spikes and first spikes (D, steps), and rows that spike (steps,)."""
    planes, rows, depth = codes.shape
    spikes, first = np.zeros((depth, steps), np.int64), np.zeros((depth, steps), np.int64)
    active = np.zeros(steps, np.int64)
    for r in range(rows):
        seen = np.zeros(steps, np.uint8)
        for d in range(depth):
            earliest = steps
            for p in range(planes):
                code = abs(np.int64(codes[p, r, d]))
                if code:
                    k = code - 1 + delay
                    spikes[d, k] += 1
                    earliest = min(earliest, k)
                    seen[k] = 1
            if earliest < steps:
                first[d, earliest] += 1
        for k in range(steps):
            active[k] += seen[k]
    return spikes, first, active
