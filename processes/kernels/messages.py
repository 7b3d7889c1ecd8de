"""Compiled loops over messages of a whole sample: arrays (K, n) for the K steps at which anything is sent, or events.

Events are spikes in order of step and neuron: ``begin`` (K + 1,) has the number of each message's first event, then of
all events; ``places`` has each event's neuron, ``values`` its sign.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit
from processes.kernels.stepped import integrate, route, spikes_of


@njit(cache=True)
def integrate_all(v, messages, limit):
    """Integrate messages (K, n) into potentials v (n,), clipped to +-limit after each; returns the number of clips."""
    clips = 0
    for k in range(len(messages)):
        clips += integrate(v, messages[k], limit)
    return clips


@njit(cache=True)
def events_of(signs, begin, places, values):
    """Turn signs (K, n) into events: fill ``begin`` (K + 1,), ``places`` and ``values`` (K * n + 1,)."""
    count = 0
    for k in range(len(signs)):
        begin[k] = count
        count += spikes_of(signs[k], places[count:])
        for e in range(begin[k], count):
            values[e] = signs[k, places[e]]
    begin[len(signs)] = count


@njit(cache=True)
def events_of_codes(codes, steps, begin, places, values):
    """Turn codes (n,) of neurons with at most one spike each into events; returns the number of messages K.

    Fills the first K of ``steps`` (T,) with the steps that have spikes, and K + 1 of ``begin`` (T + 1,). ``places`` and
    ``values`` are (n,): behind all events they hold the silent neurons, with meaningless signs.
    """
    free = np.zeros(len(steps) + 1, np.int64)
    for i in range(len(codes)):
        free[abs(codes[i])] += 1
    silent, total, count = free[0], 0, 0
    for k in range(len(steps)):
        steps[count], begin[count] = k, total
        count += free[k + 1] > 0
        total, free[k + 1] = total + free[k + 1], total
    begin[count], free[0] = total, len(codes) - silent
    for i in range(len(codes)):
        k = abs(codes[i])
        places[free[k]] = i
        values[free[k]] = 1 if codes[i] > 0 else -1
        free[k] += 1
    return count


@njit(cache=True)
def signs_of(begin, places, values, signs):
    """Write events into signs (K, n), which hold 0 before."""
    for k in range(len(signs)):
        for e in range(begin[k], begin[k + 1]):
            signs[k, places[e]] = values[e]


@njit(cache=True)
def enter_all(codes, begin, places, values, steps):
    """Enter the events of messages at ``steps`` (K,) into each neuron's first free plane of codes (planes, n)."""
    for k in range(len(steps)):
        for e in range(begin[k], begin[k + 1]):
            i = places[e]
            for p in range(len(codes)):
                if codes[p, i] == 0:
                    codes[p, i] = values[e] * (steps[k] + 1)
                    break


@njit(cache=True)
def route_all(messages, index, out):
    """Route messages (K, n) to out (K, m) by an index map (:func:`processes.kernels.stepped.route`)."""
    for k in range(len(messages)):
        route(messages[k], index, out[k])
