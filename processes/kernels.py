"""Compiled loops of the closed forms: when does each neuron fire, and what do its spikes decode to.

All kernels see arrays as (rows, A, M, D): parameters vary along A and D and repeat along the rest, so that one
loop serves token features (A = M = 1 or A = 1), image channels (D = 1) and attention heads (A = heads).

Codes are looked up by the leading bits of a normalised potential (``codebook``). Where the lookup is not exact itself,
it is a guess, from which the comparison of the definition settles the step: thresholds fall with k, so any guess leads
to the same step.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import numpy as np
from numba import njit, prange

from processes.fixed import shift_toward_zero
from processes.thresholds import ALWAYS, level_entry, scaled_entry

_shift = njit(inline="always")(shift_toward_zero)


@njit(parallel=True, cache=True)
def lookup(r, bits, shift, kind, spread, at, below, above, codes):
    """Codes (R, A, M, D) of normalised potentials ``r``, float32, ``bits`` being the same memory as uint32.

    Tables (kinds, 2^(32 - shift)) say for each bucket the code below and from ``at`` on; ``kind`` (A * D or 1,) which
    row of them a neuron uses.
    """
    _, a_len, m_len, d_len = r.shape
    for place in prange(r.shape[0] * a_len):
        row, a = place // a_len, place % a_len
        for m in range(m_len):
            for d in range(d_len):
                n = kind[(a * d_len + d) * spread]
                b = bits[row, a, m, d] >> shift
                codes[row, a, m, d] = above[n, b] if r[row, a, m, d] >= at[n, b] else below[n, b]


@njit
def _leading_bits(x):
    """The memory of a float32."""
    return np.float32(x).view(np.uint32)


@njit(parallel=True, cache=True)
def further(r, shift, at, ends, level, codes):
    """Codes of the second and later spikes, planes 1 on of codes (planes, R, A, M, D), from the first plane.

    A spike of code c stands for entry c + T of ``level`` (2T + 1,) in ``r``, float32. What it leaves is looked up in ``at``,
    (2^(32 - shift),), and ``ends``, the codes below and from there on, one after the other; and sent after it.
    """
    planes = codes.shape[0]
    _, a_len, m_len, d_len = r.shape
    steps = level.shape[0] // 2
    for place in prange(r.shape[0] * a_len):
        row, a = place // a_len, place % a_len
        for m in range(m_len):
            for d in range(d_len):
                sent = np.int64(codes[0, row, a, m, d])
                x = r[row, a, m, d]
                for p in range(1, planes):  # without branches, which nobody could predict
                    x -= level[sent + steps]
                    b = np.int64(_leading_bits(x) >> shift)
                    code = np.int64(ends[2 * b + np.int64(x >= at[b])])
                    later = max(abs(code), abs(sent) + 1)
                    sign = np.int64(code > 0) - np.int64(code < 0)
                    sent = sign * later * np.int64((later <= steps) & (sent != 0))
                    codes[p, row, a, m, d] = sent


@njit(parallel=True, cache=True)
def settle(v, pos, lo, hi, subtract, spread, codes):
    """Codes of potentials ``v`` (R, A, M, D): + at the first k with v >= pos_k, - with lo_k <= v <= hi_k.

    Tables are (A * D or 1, T); ``spread`` is 1 if they vary per neuron and 0 if shared. After a spike of sign z at
    k the neuron subtracts z * subtract_k and goes on from k+1 with +-pos, once for every plane of codes (planes, R, A, M,
    D). Codes come with guesses.
    """
    planes = codes.shape[0]
    _, a_len, m_len, d_len = v.shape
    steps = pos.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            for d in range(d_len):
                c = (a * d_len + d) * spread
                x = v[row, a, m, d]
                guess = abs(int(codes[0, row, a, m, d]))
                k = guess - 1 if guess > 0 else steps
                while k > 0 and (x >= pos[c, k - 1] or lo[c, k - 1] <= x <= hi[c, k - 1]):
                    k -= 1
                while k < steps and not (x >= pos[c, k] or lo[c, k] <= x <= hi[c, k]):
                    k += 1
                for p in range(planes):
                    if p > 0:
                        first = k + 1
                        guess = abs(int(codes[p, row, a, m, d]))
                        k = max(guess - 1, first) if guess > 0 else steps
                        while k > first and abs(x) >= pos[c, k - 1]:
                            k -= 1
                        while k < steps and abs(x) < pos[c, k]:
                            k += 1
                    if k >= steps:
                        for q in range(p, planes):
                            codes[q, row, a, m, d] = 0
                        break
                    if x >= pos[c, k]:
                        codes[p, row, a, m, d] = k + 1
                        x -= subtract[c, k]
                    else:
                        codes[p, row, a, m, d] = -(k + 1)
                        x += subtract[c, k]


@njit
def _sequel_fires(x, tables, n, row, k, factor, shift):
    """+1, -1 or 0: what tables[n, row] (4, T) of (above, below, lo, hi) say of x at k.

    Not a view of them: counting its references would cost more than the comparisons.
    """
    if x >= scaled_entry(tables[n, row, 0, k], factor, shift):
        return 1
    if scaled_entry(tables[n, row, 2, k], factor, shift) <= x <= scaled_entry(tables[n, row, 3, k], factor, shift):
        return -1
    below = tables[n, row, 1, k]
    return 1 if below > ALWAYS and x <= scaled_entry(below, factor, shift) else 0


@njit(parallel=True, cache=True)
def settle_sequel(v, tables, kind, factor, shift, spread, codes):
    """Second plane of codes (2, R, A, M, D), which come settled in the first and with guesses in the second.

    ``tables`` (kinds, 2T + 1, 4, T) say what a neuron of ``kind`` (A * D or 1,) does after each first code; ``factor`` and
    ``shift``, of the same shape, bring their entries to the unit of v.
    """
    _, a_len, m_len, d_len = v.shape
    steps = tables.shape[3]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            for d in range(d_len):
                sent = int(codes[0, row, a, m, d])
                if sent == 0:
                    codes[1, row, a, m, d] = 0
                    continue
                c = (a * d_len + d) * spread
                x, f = v[row, a, m, d], factor[c]
                s = None if shift is None else shift[c]
                n, after = kind[c], sent + steps
                first = abs(sent)
                guess = abs(int(codes[1, row, a, m, d]))
                k = max(guess - 1, first) if guess > 0 else steps
                while k > first and _sequel_fires(x, tables, n, after, k - 1, f, s) != 0:
                    k -= 1
                fires = 0
                while k < steps:
                    fires = _sequel_fires(x, tables, n, after, k, f, s)
                    if fires != 0:
                        break
                    k += 1
                codes[1, row, a, m, d] = fires * (k + 1)


@njit(parallel=True, cache=True)
def settle_scaled(v, squared, table, shift, cut, limit, factor, spread, rest, gain, gain_shift, codes):
    """Codes of ``v`` (R, A, M, D) against a moving threshold: first k with drive >= table_k * factor.

    drive is |v|, or v^2 if ``squared``. ``factor`` is (R, A, M). Integers, which may come in floats, are shifted right
    by ``cut`` and clipped to ``limit``, and compare with (table_k * factor) >> shift, written as
    table_k * factor <= ((drive + 1) << shift) - 1; ``shift`` is None for floats. v = 0 and factor = 0 never fire.

    Having sent A in units of ``rest`` (levels and midpoints, (2, T)), a neuron fires on at the first later k with drive at
    least the threshold of A + midpoint_k, or with the other sign at most that of A - midpoint_k, once for every plane
    of codes (planes, R, A, M, D); table_k is then ``level_entry`` of these. Codes come with guesses.
    """
    planes = codes.shape[0]
    _, a_len, m_len, d_len = v.shape
    steps = table.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            f = factor[row, a, m]
            for d in range(d_len):
                c = (a * d_len + d) * spread
                if shift is None:
                    x = v[row, a, m, d]
                    least = drive = x * x if squared else abs(x)
                    g, s = gain[c], None
                else:
                    x = min(max(_shift(np.int64(v[row, a, m, d]), cut), -limit), limit)
                    least = (x * x if squared else abs(x)) << shift[c]
                    drive = least + (np.int64(1) << shift[c]) - 1
                    g, s = gain[c], gain_shift[c]
                if x == 0 or f <= 0:
                    for p in range(planes):
                        codes[p, row, a, m, d] = 0
                    continue
                guess = abs(int(codes[0, row, a, m, d]))
                k = guess - 1 if guess > 0 else steps
                while k > 0 and table[c, k - 1] * f <= drive:
                    k -= 1
                while k < steps and table[c, k] * f > drive:
                    k += 1
                sign = 1 if x > 0 else -1
                sent = rest[0, 0] * 0
                fires = 1
                for p in range(planes):
                    if p > 0:
                        first = k + 1
                        guess = abs(int(codes[p, row, a, m, d]))
                        k = max(guess - 1, first) if guess > 0 else steps
                        while k > first and _fires_on(least, drive, sent, rest[1, k - 1], squared, g, s, f) != 0:
                            k -= 1
                        fires = 0
                        while k < steps:
                            fires = _fires_on(least, drive, sent, rest[1, k], squared, g, s, f)
                            if fires != 0:
                                break
                            k += 1
                    if k >= steps:
                        for q in range(p, planes):
                            codes[q, row, a, m, d] = 0
                        break
                    codes[p, row, a, m, d] = sign * fires * (k + 1)
                    sent += fires * rest[0, k]


@njit
def _fires_on(least, drive, sent, midpoint, squared, gain, shift, factor):
    """+1, -1 or 0: whether a neuron that has sent ``sent`` goes on with the sign it began with, or the other."""
    if level_entry(sent + midpoint, squared, gain, shift) * factor <= drive:
        return 1
    if sent >= midpoint and level_entry(sent - midpoint, squared, gain, shift) * factor >= least:
        return -1
    return 0


@njit(parallel=True, cache=True)
def fire_ramp(v, ramp, after, spread, allowed, codes):
    """Codes of rows ``v`` (R, A, M, D): first k with max_d v - v <= ramp_k, ramp (A or 1, T) rising evenly.

    ``allowed`` (R or 1, A or 1, M or 1, D) is False where a key is masked: it neither races nor fires. Codes are
    (planes, R, A, M, D); if there are two planes, a second spike follows at the first later j with gap <= after[k, 0, j]
    (+) or gap >= after[k, 1, j] (-), ``after`` (A or 1, T, 2, T).
    """
    _, a_len, m_len, d_len = v.shape
    steps = ramp.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        c = a * spread
        per_gap = (steps - 1) / max(1e-30, float(ramp[c, steps - 1] - ramp[c, 0]))
        for m in range(m_len):
            allow = allowed[row % allowed.shape[0], a % allowed.shape[1], m % allowed.shape[2]]
            found = False
            winner = v[row, a, m, 0]
            for d in range(d_len):
                if allow[d] and (not found or v[row, a, m, d] > winner):
                    winner = v[row, a, m, d]
                    found = True
            for d in range(d_len):
                gap = winner - v[row, a, m, d]
                for p in range(codes.shape[0]):
                    codes[p, row, a, m, d] = 0
                if not allow[d] or gap > ramp[c, steps - 1]:
                    continue
                k = min(steps - 1, max(0, int((gap - ramp[c, 0]) * per_gap + 1.0)))
                while k > 0 and gap <= ramp[c, k - 1]:
                    k -= 1
                while gap > ramp[c, k]:
                    k += 1
                codes[0, row, a, m, d] = k + 1
                if codes.shape[0] == 1:
                    continue
                sign = 1 if gap <= after[c, k, 0, steps - 1] else -1 if gap >= after[c, k, 1, steps - 1] else 0
                low, high = k + 1, steps - 1
                while low < high:  # both tables are monotone in j
                    j = (low + high) // 2
                    if (gap <= after[c, k, 0, j]) if sign > 0 else (gap >= after[c, k, 1, j]):
                        high = j
                    else:
                        low = j + 1
                if k + 1 < steps:
                    codes[1, row, a, m, d] = sign * (low + 1)


@njit(parallel=True, cache=True)
def decode(codes, table, out):
    """out (n,) = sum over planes of table[code + T], codes (planes, n), table (2T + 1,)."""
    middle = table.shape[0] // 2
    n = codes.shape[1]
    block = 16384
    for b in prange((n + block - 1) // block):
        stop = min(n, (b + 1) * block)
        for i in range(b * block, stop):
            out[i] = table[codes[0, i] + middle]
        for p in range(1, codes.shape[0]):
            for i in range(b * block, stop):
                out[i] += table[codes[p, i] + middle]


def decode_table(trace: np.ndarray, dtype: np.dtype | type) -> np.ndarray:
    """Value of every code: (2T + 1,), entry code + T."""
    return np.concatenate([-trace[::-1], [0], trace]).astype(dtype)


@njit(parallel=True, cache=True)
def add_shifted(total, v, shift, spread):
    """total (R, A, M, D) int64 += v shifted right toward zero by shift (A * D or 1,)."""
    _, a_len, m_len, d_len = v.shape
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            for d in range(d_len):
                total[row, a, m, d] += _shift(np.int64(v[row, a, m, d]), shift[(a * d_len + d) * spread])
