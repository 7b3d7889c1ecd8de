"""Compiled loops of the closed forms of fitted neurons, SI-exp and SI-norm (SIT-conversion), neuron after neuron."""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

from numba import prange

from processes.kernels.compiled import njit


@njit(inline="always")
def _fitted(v, threshold, reset, c, first, codes, p, row, a, m, d):
    """Write the codes of one fitted neuron with potential ``v`` into its planes from ``p`` on, and zeros behind them.

    At fitted step t, step ``first`` + t of its window, it fires where v >= threshold_t and then subtracts reset_t.
    """
    for t in range(threshold.shape[1]):
        if v >= threshold[c, t]:
            v -= reset[c, t]
            codes[p, row, a, m, d] = first + t + 1
            p += 1
    for q in range(p, codes.shape[0]):
        codes[q, row, a, m, d] = 0


@njit(parallel=True, cache=True)
def fire_fitted(v, threshold, reset, spread, sign, codes):
    """Write codes (K, R, A, M, D) of potentials v: at step t a neuron fires if v >= threshold_t and subtracts reset_t.

    threshold and reset (A * D or 1, K); ``spread`` is 0 if all neurons share them, else 1; ``sign`` (K,) is that of
    each step's spike.
    """
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
    """Write codes (K, R, A, M, D) of SI-exp of v (R, A, M, D), relative to the largest of each row: x = v - max v.

    At clock step j of J a neuron fires if x + clock_j <= half, and then adds clock_j to x; K - J fitted steps follow if
    x >= -2 half. clock (A or 1, J), half (A or 1,), threshold and reset (A or 1, K - J) in units of v; without a clock
    (J = 0) the potential itself is fitted. ``allowed`` (R or 1, A or 1, M or 1, D) is False where a key takes no part.
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
    """Decode codes (planes, n) of SI-exp into out (n,) and shift (n,), whose exponential is out / 2^shift.

    N is the binary number that the ``digits`` clock steps spell; shift is N div phases, and out the sum of
    output[N mod phases, t] over the fitted spikes, at least 0.
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
    """Write codes (steps, R, D) of SI-norm, the binary digits of loaded (R, D) / total (R,).

    v starts as ``loaded`` and doubles at each step but the first; if v >= total > 0 it fires and subtracts the total.
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
