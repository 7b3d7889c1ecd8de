"""Compiled loops that judge codes of values: a code has one value between two ends, so sorted values need no search.

``bounds`` (n + 1,) says how many of the sorted values lie up to the end of each interval. Of an interval, ``before`` and
``after`` (n,) float32 are the decoded values with the first spike and with all, ``since`` (n,) is the first limit under which
the others come. Errors are formed in float32, as values are, and added in float64.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit


@njit(cache=True)
def errors_by_feature(values, weights, features, bounds, before, after, since, out):
    """Adds to ``out`` (features, 1 + limits) weight * error^2 with the first spike, and what the others add to it by limit."""
    begin = 0
    for interval in range(len(bounds)):
        one, all_, column = before[interval], after[interval], since[interval] + 1
        if one == all_:
            for i in range(begin, bounds[interval]):
                error = one - values[i]
                out[features[i], 0] += error * error * weights[i]
        else:
            for i in range(begin, bounds[interval]):
                worse, better = one - values[i], all_ - values[i]
                cost = worse * worse * weights[i]
                out[features[i], 0] += cost
                out[features[i], column] += better * better * weights[i] - cost
        begin = bounds[interval]


@njit(cache=True)
def counts_by_feature(features, bounds, first, further, since, out):
    """Adds to ``out`` (features, 1 + limits) first spikes, and others by limit."""
    begin = 0
    for interval in range(len(bounds)):
        if first[interval] or further[interval]:
            for i in range(begin, bounds[interval]):
                out[features[i], 0] += first[interval]
                out[features[i], since[interval] + 1] += further[interval]
        begin = bounds[interval]


@njit(cache=True)
def errors_by_row(values, gradients, rows, bounds, before, after, since, out):
    """Adds to ``out`` (probes, rows, 1 + limits) gradient * error with the first spike, and what the others add by limit."""
    begin = 0
    for interval in range(len(bounds)):
        column, gained = since[interval] + 1, after[interval] - before[interval]
        for i in range(begin, bounds[interval]):
            error = before[interval] - values[i]
            for probe in range(len(gradients)):
                g = gradients[probe, i]
                out[probe, rows[i], 0] += g * error
                if gained != np.float32(0):
                    out[probe, rows[i], column] += g * gained
        begin = bounds[interval]
