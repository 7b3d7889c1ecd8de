"""Compiled loops of the fitted neurons' closed forms, one neuron after the other; all see (R, A, M, D) as in ``kernels``."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

from numba import prange

from processes.kernels.compiled import njit


@njit(inline="always")
def _fitted(v, threshold, reset, c, first, codes, p, row, a, m, d):
    """Writes the spikes of a neuron whose potential is ``v`` into its planes from ``p`` on, and zeros behind them."""
    for t in range(threshold.shape[1]):
        if v >= threshold[c, t]:
            v -= reset[c, t]
            codes[p, row, a, m, d] = first + t + 1
            p += 1
    for q in range(p, codes.shape[0]):
        codes[q, row, a, m, d] = 0


@njit(parallel=True, cache=True)
def fire_fitted(v, threshold, reset, spread, sign, codes):
    """Codes (K, R, A, M, D) of potentials v: thresholds and resets (A * D or 1, K), ``sign`` (K,) of each step's spike."""
    _, a_len, m_len, d_len = v.shape
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        for m in range(m_len):
            for d in range(d_len):
                _fitted(v[row, a, m, d], threshold, reset, (a * d_len + d) * spread, 0, codes, 0, row, a, m, d)
                for p in range(codes.shape[0]):
                    if codes[p, row, a, m, d] == 0:
                        break
                    codes[p, row, a, m, d] *= sign[codes[p, row, a, m, d] - 1]


@njit(parallel=True, cache=True)
def fire_exp(v, clock, half, threshold, reset, spread, allowed, codes):
    """Codes (K, R, A, M, D) of rows v: behind the row's largest, J halvings of the distance and K - J fitted steps.

    clock (A or 1, J), half (A or 1,), threshold and reset (A or 1, K - J) in units of v; without a clock the potential itself
    is fitted. ``allowed`` (R or 1, A or 1, M or 1, D) is False where a key takes no part.
    """
    _, a_len, m_len, d_len = v.shape
    digits = clock.shape[1]
    for r in prange(v.shape[0] * a_len):
        row, a = r // a_len, r % a_len
        c = a * spread
        for m in range(m_len):
            allow = allowed[row % allowed.shape[0], a % allowed.shape[1], m % allowed.shape[2]]
            largest, found = v[row, a, m, 0] * 0, False
            if digits > 0:
                for d in range(d_len):
                    if allow[d] and (not found or v[row, a, m, d] > largest):
                        largest, found = v[row, a, m, d], True
            for d in range(d_len):
                x, p = v[row, a, m, d] - largest, 0
                for j in range(digits):
                    if allow[d] and x + clock[c, j] <= half[c]:
                        x += clock[c, j]
                        codes[p, row, a, m, d] = j + 1
                        p += 1
                if allow[d] and (digits == 0 or x >= -2 * half[c]):
                    _fitted(x, threshold, reset, c, digits, codes, p, row, a, m, d)
                else:  # out of the clock's reach, or masked
                    for q in range(p, codes.shape[0]):
                        codes[q, row, a, m, d] = 0


@njit(parallel=True, cache=True)
def add_up_exp(codes, output, digits, out, shift):
    """What codes (planes, n) spell: out (n,) = sum of output[N mod phases, t] over the fitted spikes, at least 0, and
    shift (n,) = N div phases, N being the number in binary that the clock's ``digits`` spell.
    """
    phases = output.shape[0]
    for i in prange(codes.shape[1]):
        behind, total = 0, output[0, 0] * 0
        for p in range(codes.shape[0]):
            k = codes[p, i] - 1
            if k < 0:
                break
            if k < digits:
                behind += 1 << (digits - 1 - k)
            else:
                total += output[behind % phases, k - digits]
        out[i] = max(total, output[0, 0] * 0)
        shift[i] = behind // phases


@njit(parallel=True, cache=True)
def fire_norm(loaded, total, steps, codes):
    """Binary digits of loaded / total as codes (steps, R, D): v doubles at each step but the first, fires and subtracts at
    v >= total; loaded (R, D), total (R,).
    """
    for r in prange(loaded.shape[0]):
        limit = total[r]
        for d in range(loaded.shape[1]):
            v, p = loaded[r, d], 0
            for t in range(steps):
                if t > 0:
                    v += v
                if limit > 0 and v >= limit:
                    v -= limit
                    codes[p, r, d] = t + 1
                    p += 1
            for q in range(p, codes.shape[0]):
                codes[q, r, d] = 0
