"""All steps of a sample in one call: loops over the kernels of one step, which stay the definition.

A message at each of K steps is (K, n); those at which nothing is sent are left out. Totals v are integrated step after step,
and clipped at ``limit`` at each of them, as a neuron does: they are no sums.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit
from processes.kernels.stepped import (
    fire_falling_step,
    fire_first,
    fire_race,
    integrate,
    route,
    spikes_of,
    square,
)


@njit(cache=True)
def integrate_all(v, messages, limit):
    """Integrate messages (K, n) into v (n,); returns how many clips there were."""
    clips = 0
    for k in range(len(messages)):
        clips += integrate(v, messages[k], limit)
    return clips


@njit(cache=True)
def events_of(signs, begin, places):
    """Put the places of the spikes of signs (K, n) into ``places``, and which are a message's, begin[k] to begin[k + 1]."""
    count = 0
    for k in range(len(signs)):
        begin[k] = count
        count += spikes_of(signs[k], places[count:])
    begin[len(signs)] = count
    return count


@njit(cache=True)
def enter_all(codes, signs, begin, places, steps):
    """Enter spikes, signs (K, n) of ``steps`` (K,) with their :func:`events_of`, into the first free plane of codes (planes, n)."""
    for k in range(len(signs)):
        for e in range(begin[k], begin[k + 1]):
            i = places[e]
            for p in range(len(codes)):
                if codes[p, i] == 0:
                    codes[p, i] = signs[k, i] * (steps[k] + 1)
                    break


@njit(cache=True)
def route_all(messages, index, out):
    """out (K, m) = messages (K, n) by an index map."""
    for k in range(len(messages)):
        route(messages[k], index, out[k])


@njit(cache=True)
def dense_all(signs, begin, places, weight, factors, v, row, limit):
    """Integrate the currents of spikes by weight (in, O) and ``factors`` (K,) into v (R, O); returns the clips.

    Spikes are signs (K, R * in) with their :func:`events_of`; ``row`` (O,) is room for a sum. What a row without a spike
    receives is 0, which changes nothing.
    """
    clips, width, e = 0, len(weight), 0
    for k in range(len(factors)):
        r, factor = 0, factors[k]
        while e < begin[k + 1]:
            while places[e] >= (r + 1) * width:
                r += 1
            row[:] = 0
            while e < begin[k + 1] and places[e] < (r + 1) * width:
                weights = weight[places[e] - r * width]
                if signs[k, places[e]] > 0:
                    for o in range(len(row)):
                        row[o] += weights[o]
                else:
                    for o in range(len(row)):
                        row[o] -= weights[o]
                e += 1
            potential = v[r]
            for o in range(len(row)):
                x = potential[o] + row[o] * factor
                if limit is not None:
                    y = min(max(x, -limit), limit)
                    clips += x != y
                    x = y
                potential[o] = x
    return clips


@njit(cache=True)
def integrate_clipped(v, message, message_limit, limit):
    """Integrate a message, clipped at a limit of its own without being counted, into v (n,); returns the clips of v."""
    clips = 0
    for i in range(len(v)):
        x = message[i]
        if message_limit is not None:
            x = min(max(x, -message_limit), message_limit)
        x += v[i]
        if limit is not None:
            y = min(max(x, -limit), limit)
            clips += x != y
            x = y
        v[i] = x
    return clips


@njit(cache=True)
def multiply_all(a, b, arrivals, transpose, traces, held_a, held_b, limit, bias, first, v, v_limit):
    """Integrate the currents of a product into v (L, N, M), as steps of ``multiply``; returns the clips.

    a and b are the signs (K, n) of an operand with their :func:`events_of`, and the lengths of its last two axes; ``arrivals``
    (K, 2) the message of each step, -1 for none; ``traces`` (K, 2). At the step ``first``, -1 if at none, ``bias`` flows too.
    """
    a_signs, a_begin, a_places, a_high, a_wide = a
    b_signs, b_begin, b_places, b_high, b_wide = b
    out, clips, rows, columns = np.zeros_like(v), 0, v.shape[1], v.shape[2]
    flow, potential, flat_bias = out.reshape(-1), v.reshape(-1), bias.reshape(-1)
    a_begun = b_begun = False
    for k in range(len(arrivals)):
        at_a, at_b = arrivals[k]
        if at_b >= 0:
            b_begun, n, i, end = True, 0, 0, b_wide
            for e in range(b_begin[at_b], b_begin[at_b + 1]):
                while b_places[e] >= end:  # places ascend
                    end, i = end + b_wide, i + 1
                    if i == b_high:
                        n, i = n + 1, 0
                j = b_places[e] - (end - b_wide)
                m, f = (i, j) if transpose else (j, i)
                value = b_signs[at_b, b_places[e]] * traces[k, 1]
                if a_begun:
                    for o in range(rows):
                        out[n, o, m] += held_a[n, f, o] * value
                held_b[n, f, m] += value
        if at_a >= 0:
            a_begun, n, i, end = True, 0, 0, a_wide
            for e in range(a_begin[at_a], a_begin[at_a + 1]):
                while a_places[e] >= end:
                    end, i = end + a_wide, i + 1
                    if i == a_high:
                        n, i = n + 1, 0
                f = a_places[e] - (end - a_wide)
                value = a_signs[at_a, a_places[e]] * traces[k, 0]
                if b_begun:
                    for m in range(columns):
                        out[n, i, m] += held_b[n, f, m] * value
                held_a[n, f, i] += value
        if k == first or (a_begun and b_begun):
            if k == first:
                if limit is not None:
                    flow[:] = np.minimum(np.maximum(flow, -limit), limit)
                flow += flat_bias
                clips += integrate(potential, flow, v_limit)
            else:
                clips += integrate_clipped(potential, flow, limit, v_limit)
            flow[:] = 0
    return clips


@njit(cache=True)
def square_all(spikes, traces, held, weight, limit, v, v_limit):
    """Integrate the shares of spikes (K, R, F) in sums of squares into v (R,); returns the clips."""
    out, clips = np.empty_like(v), 0
    for k in range(len(spikes)):
        square(spikes[k], traces[k], held, weight, limit, out)
        clips += integrate(v, out, v_limit)
    return clips


@njit(cache=True)
def weigh_all(spikes, traces, v, limit):
    """Add traces (K,) times the sums of the rows of spikes (K, R, F) to v (R,), clipped at ``limit`` at each step."""
    for k in range(len(spikes)):
        for r in range(len(v)):
            total = v[r] * 0
            for f in range(spikes.shape[2]):
                total += spikes[k, r, f]
            v[r] += total * traces[k]
            if limit is not None:
                v[r] = min(max(v[r], -limit), limit)


@njit(cache=True)
def fire_first_all(v, sides, tables, left, signs, steps):
    """Put the steps k at which any of v (n,) has its one spike into ``steps``, and its signs (T, n); returns how many."""
    count = 0
    for k in range(len(steps)):
        if fire_first(v, sides, tables, k, left, True, signs[count]):
            steps[count] = k
            count += 1
    return count


@njit(cache=True)
def fire_several_all(v, sides, tables, subtract, latest, spikes, left, signs, steps):
    """The same where neurons have up to ``spikes``, and each takes ``subtract`` (T, A, D) off its potential, which changes.

    Thresholds after the first spike are +-pos; after ``latest`` (A, D), None if at no step, only first ones are fired.
    """
    a_len, m_len, d_len = sides
    count = 0
    for k in range(len(steps)):
        sign, fires = signs[count], False
        fire_first(v, sides, tables, k, left, False, sign)
        for i in range(len(v)):
            a, d = i // (m_len * d_len) % a_len, i % d_len
            if 0 < left[i] < spikes:
                pos = tables[0, k, a, d]
                sign[i] = np.int8(v[i] >= pos) - np.int8(v[i] <= -pos)
                if latest is not None and k > latest[a, d]:
                    sign[i] = 0
            if sign[i] != 0:
                fires = True
                left[i] -= 1
                v[i] -= sign[i] * subtract[k, a, d]
        if fires:
            steps[count] = k
            count += 1
    return count


@njit(cache=True)
def fire_race_all(v, winner, ramp, rows, may_fire, signs, steps):
    """The same of softmax's spikes, signs (T, R, K)."""
    count = 0
    for k in range(len(steps)):
        if fire_race(v, winner, ramp, k, rows, may_fire, signs[count]):
            steps[count] = k
            count += 1
    return count


@njit(cache=True)
def fire_falling_all(magnitude, direction, sides, table, shift, limit, left, signs, steps):
    """The same where a threshold falls from ``limit``."""
    count = 0
    for k in range(len(steps)):
        if fire_falling_step(magnitude, direction, sides, table, k, shift, limit, left, True, signs[count]):
            steps[count] = k
            count += 1
    return count
