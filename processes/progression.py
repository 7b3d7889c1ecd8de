"""Progressions: thresholds that fall by one ratio, so that a logarithm says which of them a potential reaches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from processes.kernels.progression import LOG_ERROR

UNSURE = 1 / 32
"""Share of potentials, spread evenly over a progression, that may be unsure."""
BESIDE = 2.0**-20
"""Part of a step by which thresholds may lie beside a progression whatever their size: real ones are rounded too."""
SMALLEST = 2.0**-120
"""Of thresholds: float32 has numbers of full accuracy around it."""
SAFE = 1.25
"""Times its derivative: a logarithm changes less than that if what it is taken of changes by up to an eighth."""


class Progression(NamedTuple):
    """Thresholds m_k, k < T, close to a geometric progression: one spike at 1 + (log2 m_0 - log2 |x|) slope, cut to whole.

    Attributes:
        steps: T; 0 if thresholds are no progression.
        lowest: 0 if negative potentials are silent, -inf if they fire like positive ones.
        slope: 1 / log2 of the ratio of neighbouring thresholds.
        begin: 1 + slope log2 m_0.
        least: half a step below m_{T-1}; smaller sizes are silent too.
        largest: half a step above m_0; larger sizes fire at k = 0 too.
        doubt: how close to a whole number a place is unsure.
        slack: how much further, times the size, as thresholds lie beside the progression.
        widening: and as potentials are off, for every unit.
    """

    steps: int
    lowest: float
    slope: float
    begin: float
    least: float
    largest: float
    doubt: float
    slack: float
    widening: float


NO_PROGRESSION = Progression(0, 0, 0, 0, 0, 0, 0, 0, 0)


def progression_of(
    ends: np.ndarray, codes: np.ndarray, low: np.ndarray, high: np.ndarray, steps: int, rounding: float
) -> Progression:
    """The progression of thresholds if codes are those of one, NO_PROGRESSION if not.

    Args:
        ends: at which codes change, ascending, (n,).
        codes: below, between and above the ends, (n + 1,).
        low: the least that each end may be, (n,).
        high: the most, (n,).
        steps: T.
        rounding: relative error of potentials.
    """
    plus = ends > 0
    wanted = np.arange(steps, 0, -1)
    mirrored = not plus.all()
    right = codes[1:][plus].tolist() == wanted.tolist() and (low[plus] > 0).all()
    if mirrored:
        below = codes[:-1][~plus][::-1]
        right = right and (-below).tolist() == wanted.tolist() and (ends[plus] == -ends[~plus][::-1]).all()
    sizes = ends[plus]
    if not right or steps < 2 or sizes[0] < SMALLEST or sizes[-1] > 1 / SMALLEST:
        return NO_PROGRESSION
    falling, begin = np.polyfit(np.log2(sizes), wanted, 1, w=sizes)  # large thresholds are the most exact
    slope = -float(falling)
    reach = np.abs(np.log2(sizes)).max() + 2
    doubt = slope * (LOG_ERROR + 2 * rounding + 2.0**-22 * reach) + 2.0**-22 * (steps + 2) + BESIDE
    slack = 0.0
    for bounds in (low[plus], high[plus], *((-low[~plus][::-1], -high[~plus][::-1]) if mirrored else ())):
        off = np.abs(begin - slope * np.log2(bounds) - wanted) - BESIDE
        slack = max(slack, 1.01 * float((off * bounds).max()))
    if 2 * np.mean(doubt + slack / sizes) > UNSURE:
        return NO_PROGRESSION
    half = 2.0 ** (0.5 / slope)
    widening = SAFE * slope / np.log(2)
    lowest = -np.inf if mirrored else 0.0
    return Progression(steps, lowest, slope, begin, sizes[0] / half, sizes[-1] * half, doubt, slack, widening)
