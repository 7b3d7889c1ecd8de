"""Compiled loops that judge a candidate code on values: they add up its errors and its spikes.

All values of an interval have the same codes, so values in ascending order need no search. ``bounds`` (n,) says how
many of the sorted values lie up to the end of each interval. Of an interval, ``before`` and ``after`` (n,) float32 are
the values decoded from the first spike and from all, and ``since`` (n,) is the number of the first limit, the last step
at which further spikes may come, under which these do. Column 0 of ``out`` is for first spikes, column 1 + i for what
changes from limit i on. Errors are formed in float32, as values are, and added in float64.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit


@njit(cache=True)
def errors_by_feature(values, weights, features, bounds, before, after, since, out):
    """Add to ``out`` (features, 1 + limits) weight * error^2 of first spikes alone, and its change by further ones."""
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
    """Add to ``out`` (features, 1 + limits) the numbers of ``first`` and ``further`` spikes, both by interval, (n,)."""
    begin = 0
    for interval in range(len(bounds)):
        if first[interval] or further[interval]:
            for i in range(begin, bounds[interval]):
                out[features[i], 0] += first[interval]
                out[features[i], since[interval] + 1] += further[interval]
        begin = bounds[interval]


@njit(cache=True)
def errors_by_row(values, gradients, rows, bounds, before, after, since, out):
    """Add to ``out`` (probes, rows, 1 + limits) gradient * error of first spikes alone, and its change by further ones.

    gradients (probes, values); rows (values,) is the row of each value.
    """
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
