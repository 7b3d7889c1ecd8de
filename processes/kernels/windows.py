"""All steps of a sample in one call: what the kernels of one step, which stay the definition, do at each of them.

A message at each of K steps is (K, n); those at which nothing is sent are left out. Spikes are events in order of time and
place: ``begin`` (K + 1,) is the first of each message and the number of all, ``places`` and signs ``values`` are of each.
Totals v are integrated step after step, and clipped at ``limit`` at each of them, as a neuron does: they are no sums.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.fixed import shift_toward_zero
from processes.kernels.compiled import njit
from processes.kernels.stepped import (
    fire_first,
    fire_race,
    integrate,
    route,
    spikes_of,
)

_shift = njit(inline="always")(shift_toward_zero)


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
                weights = weight[places[e] - r * width]
                if values[e] > 0:
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

    a and b are the spikes of an operand and the lengths of its last two axes; ``arrivals`` (K, 2) the message of each step, -1
    for none; ``traces`` (K, 2). At the step ``first``, -1 if at none, ``bias`` flows too.
    """
    a_begin, a_places, a_values, a_high, a_wide = a
    b_begin, b_places, b_values, b_high, b_wide = b
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
                value = b_values[e] * traces[k, 1]
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
                value = a_values[e] * traces[k, 0]
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
def square_all(begin, places, values, traces, held, weight, limit, v, v_limit):
    """Integrate the shares of spikes in sums of squares of ``held`` (R, F) into v (R,), as steps of ``square``."""
    clips, width, e = 0, held.shape[1], 0
    for k in range(len(traces)):
        r, trace = 0, traces[k]
        while e < begin[k + 1]:
            while places[e] >= (r + 1) * width:
                r += 1
            total = trace * 0
            while e < begin[k + 1] and places[e] < (r + 1) * width:
                f, value = places[e] - r * width, values[e] * trace
                share = value * (value + 2 * held[r, f])
                held[r, f] += value
                total += share * weight[r, f] if limit is None else _shift(share, weight[r, f])
                e += 1
            clips += integrate_clipped(v[r : r + 1], np.array([total]), limit, v_limit)
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
            v[r] += total * traces[k]
            if limit is not None:
                v[r] = min(max(v[r], -limit), limit)


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
            plus, minus, none = np.int32(k + 1), np.int32(-k - 1), np.int32(0)
            up, bottom, top = tables[0, k, a], tables[1, k, a], tables[2, k, a]
            for d in range(len(x)):
                new = plus if x[d] >= up[d] else (minus if (x[d] >= bottom[d]) & (x[d] <= top[d]) else none)
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
                threshold = entries[d] * factor
                if shift is not None:
                    threshold >>= shift[a, d]
                code[d] = new if (x[d] >= threshold) & (code[d] == 0) else code[d]
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
