"""All steps of a window in one call: potentials, and who fires; what kernels of one step do at each of them.

Spikes are events in order of time and place (:mod:`processes.kernels.messages`): ``begin`` (K + 1,) is the first of each
message and the number of all, ``places`` and signs ``values`` are of each. Totals v are integrated step after step, and clipped
at ``limit`` at each of them, as a neuron does: they are no sums. Formulas are those of :mod:`processes.kernels.rules`.
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
    """Integrate the currents of spikes by weight (in, O) and ``factors`` (K,) into v (R, O); returns the clips.

    ``row`` (O,) is room for a sum. What a row without a spike receives is 0, which changes nothing.
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
    """Integrate the currents of a product into v (L, N, M), as steps of ``multiply``; returns the clips.

    a and b are the spikes of an operand and the lengths of its last two axes; ``arrivals`` (K, 2) the message of each step, -1
    for none; ``traces`` (K, 2). At the step ``first``, -1 if at none, ``bias`` flows too.
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
    """Integrate the shares of spikes in sums of squares of traces ``raised`` (R, F) into v (R,), as steps of ``square``."""
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
    """Add traces (K,) times the sums of rows, ``width`` long, to v (R,), clipped at ``limit`` at each step."""
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
    """The codes (n,), 0 before, of neurons with one spike each and potentials that stay, as steps of ``fire_first``.

    A row goes through all steps before the next, and writes into one array alone: only then is the loop vectorised.
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
    """The same of softmax's spikes, codes (R, K)."""
    sign = np.empty(v.shape, np.int8)
    for k in range(len(ramp)):
        if fire_race(v, winner, ramp, k, rows, may_fire, sign):
            for r in range(len(v)):
                for j in range(v.shape[1]):
                    codes[r, j] += sign[r, j] * np.int32(k + 1)


@njit(cache=True)
def fire_falling_all(magnitude, direction, sides, table, shift, limit, left, codes):
    """The same where a threshold falls from ``limit``, as steps of ``fire_falling_step``; only those with any ``left`` fire."""
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
    """Put the steps k at which any of v (n,) fires into ``steps``, and its signs (T, n); returns how many steps there are.

    Neurons have up to ``spikes``, each of which takes ``subtract`` (T, A, D) off the potential. Thresholds after the first
    spike are +-pos; after ``latest`` (A, D), None if at no step, only first ones are fired.
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
