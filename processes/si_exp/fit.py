"""Fits T, h and d of a spiking neuron to a function: simulated annealing of T and h, with d by least squares.

The spikes, and so the sum of squared errors, are a piecewise constant function of T and h: it has no gradient. But once T
and h are given, d is the solution of a linear least squares problem of K unknowns. So the search moves T and h only, at
random on all scales, and every candidate is judged by the error with its best d. The table is fitted on 10,000 evenly
spaced points; errors are reported on random points (:meth:`processes.si_exp.table.Table.errors`).

What to expect: the spike of a step is worth the same d whatever the other steps do, so spikes add, where exp
multiplies. Twelve steps approximate a curve whose slope changes sevenfold, as that of exp does on [-1, 1], less well
than 12 bits.
"""

# numba types these functions by their calls, not by their signatures
# pyright: reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from processes.errors import DeployError
from processes.kernels.compiled import njit
from processes.si_exp.table import FUNCTIONS, Table

POINTS = 10_000  # evenly spaced points that a table is fitted on
COARSE, FINE = 800, 2500  # how many of these points judge candidates, in the first search and in the refinement
RIDGE = 1e-9  # keeps d finite where a step never fires
ROUNDS = 60_000  # candidates from each start


@njit(cache=True)
def _least_squares(x, y, threshold, reset):
    """The best outputs d (K,) for given thresholds and resets, and their mean squared error on points x, y (n,)."""
    steps, points = len(threshold), len(x)
    gram, right = np.zeros((steps, steps)), np.zeros(steps)
    fired = np.zeros(steps, np.int64)
    total = 0.0
    for i in range(points):
        v, n = x[i], 0
        for t in range(steps):
            if v >= threshold[t]:
                v -= reset[t]
                fired[n] = t
                n += 1
        total += y[i] * y[i]
        for a in range(n):
            right[fired[a]] += y[i]
            for b in range(a + 1):
                gram[fired[a], fired[b]] += 1.0
    for a in range(steps):
        gram[a, a] += RIDGE * points
        for b in range(a):
            gram[b, a] = gram[a, b]
    d = np.linalg.solve(gram, right)
    error = total - 2 * (d * right).sum() + (d * (gram @ d)).sum()
    return d, max(error, 1e-30) / points


@njit(cache=True)
def _anneal(x, y, threshold, reset, rounds, scale, temperature, seed):
    """Simulated annealing: (log of the smallest mean squared error, its thresholds, its resets).

    ``scale`` of the moves and ``temperature`` are (first, last) and fall geometrically over the ``rounds`` candidates.
    """
    np.random.seed(seed)
    steps = len(threshold)
    now = math.log(_least_squares(x, y, threshold, reset)[1])
    best, best_threshold, best_reset = now, threshold.copy(), reset.copy()
    for i in range(rounds):
        done = i / rounds
        size = scale[0] * (scale[1] / scale[0]) ** done
        warmth = temperature[0] * (temperature[1] / temperature[0]) ** done
        moved, shifted = threshold.copy(), reset.copy()
        for _ in range(np.random.randint(1, 4)):
            k, move = np.random.randint(steps), np.random.randint(3)
            amount = size * math.exp(1.5 * np.random.randn()) * np.random.randn()
            if move != 1:
                moved[k] += amount
            if move != 0:
                shifted[k] += amount
        error = math.log(_least_squares(x, y, moved, shifted)[1])
        if error < now or np.random.random() < math.exp((now - error) / warmth):
            now, threshold, reset = error, moved, shifted
            if error < best:
                best, best_threshold, best_reset = error, moved.copy(), shifted.copy()
    return best, best_threshold, best_reset


def _start(steps: int, low: float, high: float, segments: int) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and resets from which the search starts, (K,) each.

    The first step always fires, ``segments`` - 1 steps subtract the width of a segment, the rest halve a segment.
    """
    width = (high - low) / segments
    halving = width * 2.0 ** -np.arange(1, steps - segments + 1)
    reset = np.concatenate([[0.0], np.full(segments - 1, width), halving])
    threshold = low + reset
    threshold[0] = low - (high - low)
    return threshold, reset


def fit(
    function: str,
    steps: int,
    low: float,
    high: float,
    seed: int = 0,
    rounds: int = ROUNDS,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Search for the table of K steps that approximates a function on a range with the least mean squared error.

    Args:
        function: a name in :data:`processes.si_exp.table.FUNCTIONS`.
        steps: K, at least 2.
        low: where the range begins; the table is fitted on 10,000 evenly spaced points of it.
        high: where the range ends.
        seed: of the search.
        rounds: candidates tried from each start; there are about K / 2 starts.
        progress: called with (searches done, searches in all): one for each start and the refinement.

    Raises:
        DeployError: the function is unknown, there are fewer than 2 steps, or the range is empty or one on which the
            function is not finite.
    """
    if function not in FUNCTIONS:
        raise DeployError(f"--function {function}: unknown; known are {', '.join(FUNCTIONS)}")
    if steps < 2 or not low < high:
        raise DeployError(f"--timesteps {steps}, --range {low:g} {high:g}: give 2 steps or more and LOW below HIGH")
    x = np.linspace(low, high, POINTS)
    with np.errstate(all="ignore"):
        y = FUNCTIONS[function](x)
    if not np.isfinite(y).all():
        raise DeployError(f"--range {low:g} {high:g}: {function} is not finite there; give a range inside its domain")
    coarse, fine = (np.linspace(0, POINTS - 1, count).round().astype(int) for count in (COARSE, FINE))
    span = high - low
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    starts = range(1, max(2, steps - 1), 2)
    for number, segments in enumerate(starts):
        threshold, reset = _start(steps, low, high, segments)
        found.append(
            _anneal(
                x[coarse], y[coarse], threshold, reset, rounds, (0.02 * span, 3e-4 * span), (0.05, 0.001), seed + number
            )
        )
        if progress is not None:
            progress(number + 1, len(starts) + 1)
    _, threshold, reset = min(found, key=lambda f: f[0])
    _, threshold, reset = _anneal(
        x[fine], y[fine], threshold, reset, rounds // 4, (1e-3 * span, 3e-5 * span), (0.002, 0.0002), seed
    )
    if progress is not None:
        progress(len(starts) + 1, len(starts) + 1)
    return Table(function, low, high, seed, threshold, reset, _least_squares(x, y, threshold, reset)[0])


def halving(function: str, steps: int, low: float, high: float) -> Table:
    """A table without a search, for a range on which the function is nearly straight.

    The first step always fires; each of the others halves the remaining range. Outputs are found by least squares.
    """
    x = np.linspace(low, high, COARSE)
    threshold, reset = _start(steps, low, high, 1)
    return Table(
        function, low, high, 0, threshold, reset, _least_squares(x, FUNCTIONS[function](x), threshold, reset)[0]
    )
