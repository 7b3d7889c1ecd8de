"""Messages of a whole sample: as arrays (K, n) of the K steps at which anything is sent, and spikes as events.

Events are in order of time and place: ``begin`` (K + 1,) is the first of each message and the number of all, ``places`` and
signs ``values`` are of each.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit
from processes.kernels.stepped import integrate, route, spikes_of


@njit(cache=True)
def integrate_all(v, messages, limit):
    """Integrate messages (K, n) into v (n,); returns how many clips there were."""
    clips = 0
    for k in range(len(messages)):
        clips += integrate(v, messages[k], limit)
    return clips


@njit(cache=True)
def events_of(signs, begin, places, values):
    """Put places and signs of the spikes of signs (K, n) into ``places`` and ``values``, and the first of each message and the
    number of all into ``begin`` (K + 1,)."""
    count = 0
    for k in range(len(signs)):
        begin[k] = count
        count += spikes_of(signs[k], places[count:])
        for e in range(begin[k], count):
            values[e] = signs[k, places[e]]
    begin[len(signs)] = count


@njit(cache=True)
def events_of_codes(codes, steps, begin, places, values):
    """The same of codes (n,) of neurons with one spike each, and their ``steps`` (T,); returns how many messages there are.

    Places and values are n, of which those of silent neurons come behind all events.
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
    """Spikes as signs (K, n), which are 0 before."""
    for k in range(len(signs)):
        for e in range(begin[k], begin[k + 1]):
            signs[k, places[e]] = values[e]


@njit(cache=True)
def enter_all(codes, begin, places, values, steps):
    """Enter spikes of ``steps`` (K,) into the first free plane of codes (planes, n)."""
    for k in range(len(steps)):
        for e in range(begin[k], begin[k + 1]):
            i = places[e]
            for p in range(len(codes)):
                if codes[p, i] == 0:
                    codes[p, i] = values[e] * (steps[k] + 1)
                    break


@njit(cache=True)
def route_all(messages, index, out):
    """out (K, m) = messages (K, n) by an index map."""
    for k in range(len(messages)):
        route(messages[k], index, out[k])
