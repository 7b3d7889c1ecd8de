"""Compiled loops of the steppers: what arrives at one step, event by event, and which neurons fire at it.

Arrays are flat or of the shapes given; integers are int64, spikes int8 signs, and real numbers float64. ``limit`` is the
largest potential that a state width holds, None in floating point. Inner loops run over slices, whose indices are never
negative: only then are they vectorised. Spikes are few: they are looked for eight at a time.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np

from processes.kernels import rules
from processes.kernels.compiled import njit
from processes.kernels.rules import (
    add_row,
    clipped,
    first_arrives,
    first_sign,
    reached,
    second_arrives,
    share_of_square,
    whole_part,
)


@njit(cache=True)
def integrate(v, message, limit):
    """Add a message to potentials v, both (n,), and clip these to +-limit; returns how many were clipped."""
    return rules.integrate(v, message, None, limit)


@njit(cache=True)
def spikes_of(signs, found):
    """Put the places at which signs (n,) are not 0 into ``found``, of length n or more; returns how many there are."""
    count, words = 0, signs[: len(signs) // 8 * 8].view(np.int64)
    for w in range(len(words)):
        if words[w] != 0:
            for i in range(8 * w, 8 * w + 8):
                found[count] = i
                count += signs[i] != 0
    for i in range(8 * len(words), len(signs)):
        found[count] = i
        count += signs[i] != 0
    return count


@njit(cache=True)
def enter_codes(codes, signs, k):
    """Enter the spikes of step k, signs (n,), as codes into each neuron's first free plane of codes (planes, n)."""
    found = np.empty(len(signs) + 1, np.int32)
    for n in range(spikes_of(signs, found)):
        i = found[n]
        for p in range(len(codes)):
            if codes[p, i] == 0:
                codes[p, i] = signs[i] * (k + 1)
                break


@njit(cache=True)
def route(message, index, out):
    """Route a message (n,) to out (m,) by an index map (m,), whose entry 0 is silence and i + 1 is neuron i."""
    for i in range(len(out)):
        if index[i] > 0:
            out[i] = message[index[i] - 1]
        else:
            out[i] = 0


@njit(cache=True)
def gather_dense(spikes, weight, factor, row, out):
    """Currents out (R, O) = factor times the sum of the rows of weight (in, O) whose neurons in spikes (R, in) fire.

    ``row`` (O,) is room for a sum.
    """
    found = np.empty(spikes.shape[1] + 1, np.int32)
    for r in range(len(spikes)):
        own, current = spikes[r], out[r]
        count = spikes_of(own, found)
        if count == 0:
            current[:] = 0
            continue
        row[:] = 0
        for n in range(count):
            add_row(row, weight[found[n]], own[found[n]])
        for o in range(len(row)):
            current[o] = row[o] * factor


@njit(cache=True)
def gather_conv(spikes, weight, stride, padding, dilation, groups, factor, pixels, out):
    """Currents out (O, H', W') of spikes (in, H, W): each adds its weights to the pixels whose kernel covers it.

    weight (in, kh, kw, O / groups); ``pixels`` (H', W', O) is room for the sums.
    """
    own, width = weight.shape[3], len(spikes) // groups
    high, wide = pixels.shape[:2]
    pixels[:] = 0
    for c in range(len(spikes)):
        first = c // width * own
        for y in range(spikes.shape[1]):
            for x in range(spikes.shape[2]):
                if spikes[c, y, x] == 0:
                    continue
                for i in range(weight.shape[1]):
                    row = y + padding[0] - i * dilation[0]
                    if row < 0 or row % stride[0] or row // stride[0] >= high:
                        continue
                    for j in range(weight.shape[2]):
                        column = x + padding[1] - j * dilation[1]
                        if column < 0 or column % stride[1] or column // stride[1] >= wide:
                            continue
                        for o in range(own):
                            pixels[row // stride[0], column // stride[1], first + o] += (
                                spikes[c, y, x] * weight[c, i, j, o]
                            )
    for y in range(high):
        for x in range(wide):
            for o in range(len(out)):
                out[o, y, x] = pixels[y, x, o] * factor


@njit(cache=True)
def multiply(a, b, transpose, traces, held_a, held_b, limit, out):
    """Write currents out (L, N, M) of a step of a trace-driven product: spikes times the other operand's local traces.

    Spikes a (L, N, F) and b, (L, M, F) if ``transpose``, else (L, F, M); an operand of which nothing arrives has L = 0.
    ``traces`` (2,) are the global traces. Each spike raises its own local trace. Spikes of b read ``held_a`` (L, F, N)
    before this step's copies, those of a read ``held_b`` (L, F, M) after them, so that two at once meet once. Currents
    are clipped.
    """
    out[:] = 0
    found = np.empty(max(a.size, b.size) + 1, np.int32)
    signs = b.reshape(-1)
    places = found[: spikes_of(signs, found)]
    second_arrives(places, signs[places], b.shape[1], b.shape[2], transpose, traces[1], held_a, held_b, True, out)
    signs = a.reshape(-1)
    places = found[: spikes_of(signs, found)]
    first_arrives(places, signs[places], a.shape[1], a.shape[2], traces[0], held_a, held_b, True, out)
    if limit is not None:
        flat = out.reshape(-1)
        for o in range(len(flat)):
            flat[o] = clipped(flat[o], limit)


@njit(cache=True)
def square(spikes, trace, traces, weight, limit, out, fraction, rest):
    """Write what a step's spikes (R, F) add to the rows' sums of squares, out (R,), and raise local ``traces`` (R, F).

    ``weight`` (R, F) multiplies a feature's share, or in integers shifts it right; ``rest`` (R,) keeps ``fraction`` bits of
    the sums (:func:`processes.kernels.rules.whole_part`).
    """
    for r in range(len(spikes)):
        total = trace * 0  # a zero of the trace's type, as out is not initialised
        for f in range(spikes.shape[1]):
            if spikes[r, f] != 0:
                value = spikes[r, f] * trace
                total += share_of_square(value, traces[r, f], weight[r, f], limit)
                traces[r, f] += value
        total, rest[r] = whole_part(total, rest[r], fraction, limit)
        out[r] = clipped(total, limit)


@njit(cache=True)
def fire_first(v, sides, tables, k, left, once, sign):
    """Write first spikes of step k into sign (n,): + where v >= pos, else - where lo <= v <= hi, if any are ``left``.

    Neurons are in the order of (R, A, M, D), ``sides`` are (A, M, D); tables (3, T, A, D) are pos, lo and hi. ``once``:
    neurons have one spike each, which is taken off ``left`` (n,) here. Returns whether any neuron fires.
    """
    a_len, m_len, d_len = sides
    fires, spent = 0, np.int8(once)
    for row in range(len(v) // d_len):
        a, own = row // m_len % a_len, slice(row * d_len, (row + 1) * d_len)
        x, may, s = v[own], left[own], sign[own]
        up, bottom, top = tables[0, k, a], tables[1, k, a], tables[2, k, a]
        for d in range(len(x)):
            s[d] = first_sign(x[d], up[d], bottom[d], top[d]) & -np.int8(may[d] > 0)
            may[d] -= s[d] & spent  # both 1 and -1 have their last bit set
            fires |= s[d]
    return fires != 0


@njit(cache=True)
def fire_race(v, winner, ramp, k, rows, may_fire, sign):
    """Write softmax's first spikes of step k into sign (R, K): 1 where winner - v <= ramp_k of the row's head, else 0.

    v (R, K), winner (R,), ramp (T, heads or 1); each head has ``rows`` rows. A neuron that fires is taken out of
    ``may_fire`` (R, K). Returns whether any neuron fires.
    """
    fires = 0
    for r in range(len(v)):
        lowest = winner[r] - ramp[k, r // rows % ramp.shape[1]]
        x, may, s = v[r], may_fire[r], sign[r]
        for j in range(len(x)):
            s[j] = np.int8(lowest <= x[j]) & may[j]
            may[j] ^= s[j]
            fires |= s[j]
    return fires != 0


@njit(cache=True)
def fire_falling_step(magnitude, direction, sides, table, k, shift, limit, left, once, sign):
    """Write step k's first spikes of dynamic-threshold neurons into sign (n,): magnitude >= (table_k * limit) >> shift.

    Neurons, ``left`` and ``once`` are as in :func:`fire_first`; table (T, A, D), shift (A, D) or None for real numbers,
    limit (R * A * M,) is each row's sum. A spike has the sign ``direction`` (n,) if ``once``; where neurons may fire
    again it is 1, which is relative to that sign. Returns whether any neuron fires.
    """
    a_len, m_len, d_len = sides
    fires, spent = 0, np.int8(once)
    for row in range(len(limit)):
        a, own, factor = row // m_len % a_len, slice(row * d_len, (row + 1) * d_len), limit[row]
        x, z, may, s, entries = magnitude[own], direction[own], left[own], sign[own], table[k, a]
        for d in range(len(x)):
            fired = reached(x[d], entries[d], factor, shift, a, d) & np.int8(may[d] > 0)
            may[d] -= fired & spent
            s[d] = fired * z[d] if once else fired
            fires |= fired
    return fires != 0
