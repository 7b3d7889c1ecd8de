"""Compiled loops over all steps of a window in one call, equal to :mod:`processes.kernels.stepped` step after step.

Spikes are events (:mod:`processes.kernels.messages`): ``begin`` (K + 1,) has the number of each message's first event,
then of all events; ``places`` has each event's neuron, ``values`` its sign. Potentials v are integrated step after step
and clipped to +-limit at each, as a neuron does: they are not plain sums. Formulas are those of
:mod:`processes.kernels.rules`.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels.compiled import njit
from processes.kernels.rules import (
    add_row,
    clipped,
    first_arrives,
    first_sign,
    integrate,
    reached,
    second_arrives,
    share_of_square,
    whole_part,
)
from processes.kernels.stepped import fire_first, fire_race


@njit(cache=True)
def dense_all(begin, places, values, weight, factors, v, row, limit):
    """Integrate the currents of spikes through weight (in, O) into potentials v (R, O); returns the number of clips.

    ``factors`` (K,) are the trace entries of the messages' steps, ``row`` (O,) is room for a sum. Rows without a spike
    are skipped at a step, as a current of 0 changes nothing.
    """
    clips, width, e = 0, len(weight), 0
    for k in range(len(factors)):
        r, factor = 0, factors[k]
        while e < begin[k + 1]:
            while places[e] >= (r + 1) * width:
                r += 1
            row[:] = 0
            while e < begin[k + 1] and places[e] < (r + 1) * width:
                add_row(row, weight[places[e] - r * width], values[e])
                e += 1
            potential = v[r]
            for o in range(len(row)):
                x = potential[o] + row[o] * factor
                y = clipped(x, limit)
                clips += x != y
                potential[o] = y
    return clips


@njit(cache=True)
def multiply_all(a, b, arrivals, transpose, traces, held_a, held_b, limit, bias, first, v, v_limit):
    """Integrate the currents of a trace-driven product into v (L, N, M), clipped to +-v_limit; returns the clips.

    a and b are (begin, places, values, rows, columns) of an operand's events and last two axes; ``arrivals`` (K, 2) is
    the number of each operand's message at a step, -1 for none; ``traces`` (K, 2). Currents are those of
    :func:`processes.kernels.stepped.multiply`, clipped to +-limit; at step ``first``, -1 if at none, ``bias`` is added.
    """
    a_begin, a_places, a_values, a_high, a_wide = a
    b_begin, b_places, b_values, b_high, b_wide = b
    out, clips = np.zeros_like(v), 0
    flow, potential, flat_bias = out.reshape(-1), v.reshape(-1), bias.reshape(-1)
    a_begun = b_begun = False
    for k in range(len(arrivals)):
        at_a, at_b = arrivals[k]
        if at_b >= 0:
            own, b_begun = slice(b_begin[at_b], b_begin[at_b + 1]), True
            second_arrives(
                b_places[own], b_values[own], b_high, b_wide, transpose, traces[k, 1], held_a, held_b, a_begun, out
            )
        if at_a >= 0:
            own, a_begun = slice(a_begin[at_a], a_begin[at_a + 1]), True
            first_arrives(a_places[own], a_values[own], a_high, a_wide, traces[k, 0], held_a, held_b, b_begun, out)
        if k == first:
            for o in range(len(flow)):
                flow[o] = clipped(flow[o], limit) + flat_bias[o]
            clips += integrate(potential, flow, None, v_limit)
        elif a_begun and b_begun:
            clips += integrate(potential, flow, limit, v_limit)
        else:
            continue
        flow[:] = 0
    return clips


@njit(cache=True)
def square_all(begin, places, values, traces, raised, weight, limit, v, v_limit, fraction, rest):
    """Integrate into v (R,) what spikes add to sums of squares, as :func:`processes.kernels.stepped.square` by steps.

    ``raised`` (R, F) are the local traces, ``traces`` (K,) the global trace at each message. Returns the clips.
    """
    clips, width, e = 0, raised.shape[1], 0
    for k in range(len(traces)):
        r, trace = 0, traces[k]
        while e < begin[k + 1]:
            while places[e] >= (r + 1) * width:
                r += 1
            total = trace * 0
            while e < begin[k + 1] and places[e] < (r + 1) * width:
                f, value = places[e] - r * width, values[e] * trace
                total += share_of_square(value, raised[r, f], weight[r, f], limit)
                raised[r, f] += value
                e += 1
            total, rest[r] = whole_part(total, rest[r], fraction, limit)
            clips += integrate(v[r : r + 1], np.array([total]), limit, v_limit)
    return clips


@njit(cache=True)
def weigh_all(begin, places, values, width, traces, v, limit):
    """Add traces (K,) times the sum of each row's spikes, ``width`` neurons a row, to v (R,), clipped at every step."""
    e = 0
    for k in range(len(traces)):
        r = 0
        while e < begin[k + 1]:
            while places[e] >= (r + 1) * width:
                r += 1
            total = traces[k] * 0
            while e < begin[k + 1] and places[e] < (r + 1) * width:
                total += values[e]
                e += 1
            v[r] = clipped(v[r] + total * traces[k], limit)


@njit(cache=True)
def fire_first_all(v, sides, tables, codes):
    """Write codes (n,), which hold 0 before, of phase neurons with one spike each and complete potentials v (n,).

    Equals :func:`processes.kernels.stepped.fire_first` at every step. A row goes through all steps before the next and
    writes into one array alone: only then is the loop vectorised.
    """
    a_len, m_len, d_len = sides
    for row in range(len(v) // d_len):
        a, own = row // m_len % a_len, slice(row * d_len, (row + 1) * d_len)
        x, code = v[own], codes[own]
        for k in range(tables.shape[1]):
            up, bottom, top = tables[0, k, a], tables[1, k, a], tables[2, k, a]
            for d in range(len(x)):
                new = np.int32(first_sign(x[d], up[d], bottom[d], top[d])) * np.int32(k + 1)
                code[d] = new if code[d] == 0 else code[d]


@njit(cache=True)
def fire_race_all(v, winner, ramp, rows, may_fire, codes):
    """Write softmax's codes (R, K), 0 before, by calling :func:`processes.kernels.stepped.fire_race` at every step."""
    sign = np.empty(v.shape, np.int8)
    for k in range(len(ramp)):
        if fire_race(v, winner, ramp, k, rows, may_fire, sign):
            for r in range(len(v)):
                for j in range(v.shape[1]):
                    codes[r, j] += sign[r, j] * np.int32(k + 1)


@njit(cache=True)
def fire_falling_all(magnitude, direction, sides, table, shift, limit, left, codes):
    """Write codes (n,), which hold 0 before, of dynamic-threshold neurons with one spike each, if any is ``left`` (n,).

    Equals :func:`processes.kernels.stepped.fire_falling_step` at every step; ``limit`` has each row's sum.
    """
    a_len, m_len, d_len = sides
    for row in range(len(limit)):
        a, own, factor = row // m_len % a_len, slice(row * d_len, (row + 1) * d_len), limit[row]
        x, code = magnitude[own], codes[own]
        for k in range(len(table)):
            entries, new = table[k, a], np.int32(k + 1)
            for d in range(len(x)):
                code[d] = new if (reached(x[d], entries[d], factor, shift, a, d) != 0) & (code[d] == 0) else code[d]
        for d in range(len(x)):
            code[d] *= direction[own][d] * (left[own][d] > 0)


@njit(cache=True)
def fire_several_all(v, sides, tables, subtract, latest, spikes, left, signs, steps):
    """Fill ``steps`` with the steps k at which phase neurons fire, and ``signs`` with their signs; returns how many.

    Neurons with potentials v (n,) have up to ``spikes`` each, of which ``left`` (n,) remain. A spike takes its sign
    times ``subtract`` (T, A, D) off the potential; thresholds after the first spike are +-pos. After step ``latest``
    (A, D), None for no limit, only first spikes are fired. ``steps`` (T,), ``signs`` (T, n).
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
