"""Functions of straight pieces, found from their values: leaky ReLUs, steps, dead zones and staircases, however written.

What a model computes from one value by comparisons and choices is such a function, as a rule. One that never falls, or never
rises, is an activation of one neuron, with at most ``KNOTS`` places where it bends or jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

Function = Callable[[torch.Tensor], torch.Tensor]

NEAR, FAR = np.arange(-1200, 1200) / 100 + 0.0037, np.logspace(1.1, 4, 300)
GRID = np.concatenate([-FAR[::-1], NEAR, FAR])
"""Ascending potentials at which a function is looked at, none of which a model has as a knot; between every third and the
next there may be one."""
KNOTS = 8
"""Most knots of a function: one with more may as well be smooth."""
CLOSE = 1e-9
"""Relative difference below which values lie on one line: functions are evaluated in float64."""
BETWEEN = 100
"""Potentials at which a function is looked at where there is a knot: there may be several."""
DIGITS = 12
"""Digits of slopes and heights, which are known from differences."""


@dataclass(frozen=True)
class Knot:
    """A potential ``at`` which a function bends or jumps: its limit from below, its value, and its limit from above."""

    at: float
    below: float
    value: float
    above: float


@dataclass(frozen=True)
class Pieces:
    """A monotone function of straight pieces: gain * activation + offset."""

    activation: str
    gain: float
    offset: float


def straight_pieces(function: Function) -> Pieces | None:
    """The activation that an elementwise function of float64 tensors is; None if there is none.

    There is none if the function bends nowhere, in more than ``KNOTS`` places or two of them too close to each other,
    or if it both rises and falls.
    """
    lines = _lines(GRID, _at(function, GRID))
    if lines is None:
        return None
    knots = [_knot(function, *pair) for pair in lines]
    if not all(_alone(function, knot, *pair) for knot, pair in zip(knots, lines, strict=True)):
        return None
    left, right = lines[0][0].slope, lines[-1][1].slope
    pieces = [(one.above, two.below) for one, two in pairwise(knots)]
    rises = [left, right, *(two - one for one, two in pieces)]
    rises += [step for knot in knots for step in (knot.value - knot.below, knot.above - knot.value)]
    sign = 1.0 if min(rises) >= 0 else -1.0
    if min(sign * rise for rise in rises) < 0:
        return None
    ends = {-np.inf: (left, knots[0].below), np.inf: (right, knots[-1].above)}
    at_zero = float(_at(function, np.zeros(1))[0])
    offset = 0.0 if (0.0, 0.0) in ends.values() else at_zero
    if len(knots) == 1 and knots[0] == Knot(0.0, offset, offset, offset) and sign * right > 0:
        return Pieces(f"leaky_relu:{left / right:.{DIGITS}g}", right, offset)
    numbers = [sign * left]
    for knot in knots:
        numbers += [knot.at, *(sign * (height - offset) for height in (knot.below, knot.value, knot.above))]
    return Pieces("pieces:" + ",".join(repr(number + 0.0) for number in (*numbers, sign * right)), sign, offset)


@dataclass(frozen=True)
class _Line:
    """A line through (x, y), and ``x``, the last potential or the first that is known to lie on it."""

    x: float
    y: float
    slope: float

    def __call__(self, v: np.ndarray | float) -> np.ndarray | float:
        return self.y + self.slope * (v - self.x)

    def holds(self, v: float, y: float) -> bool:
        """Whether (v, y) lies on it, up to rounding."""
        own = float(self(v))
        return abs(own - y) <= CLOSE * max(abs(own), abs(y), abs(self.y))


def _lines(v: np.ndarray, y: np.ndarray) -> list[tuple[_Line, _Line]] | None:
    """The lines before and after each knot of a function with values y (n,) at v (n,); None if it has none or too many."""
    if not np.isfinite(y).all():
        return None
    ahead = (v[1:-1] - v[:-2]) / (v[2:] - v[:-2])
    between = y[:-2] + (y[2:] - y[:-2]) * ahead
    size = np.maximum(np.abs(y[:-2]), np.maximum(np.abs(y[1:-1]), np.abs(y[2:])))
    bent = np.flatnonzero(np.abs(between - y[1:-1]) > CLOSE * size) + 1
    if not len(bent):
        return None
    runs = np.split(bent, np.flatnonzero(np.diff(bent) > 1) + 1)
    if len(runs) > KNOTS or max(map(len, runs)) > 3:  # a jump at a point of the grid bends three places
        return None
    steepest = np.abs(np.diff(y) / np.diff(v)).max()

    def line(at: int, other: int) -> _Line:
        slope = (y[other] - y[at]) / (v[other] - v[at])
        return _Line(v[at], y[at], _rounded(slope, steepest))

    ends = [(run[0], run[-1]) for run in runs]
    if ends[0][0] < 2 or ends[-1][1] > len(v) - 3:
        return None
    return [(line(first, first - 1), line(last, last + 1)) for first, last in ends]


def _knot(function: Function, left: _Line, right: _Line) -> Knot:
    """The knot between two lines: where they meet, if the function bends, or where it leaves them, if it jumps."""
    if left.slope != right.slope:
        meet = left.x + (float(right(left.x)) - left.y) / (left.slope - right.slope)
        meet = _rounded(meet, right.x - left.x)
        if left.x <= meet <= right.x and left.holds(meet, height := float(_at(function, np.array([meet]))[0])):
            height = _rounded(height, max(abs(left.y), abs(right.y)))
            return Knot(meet, height, height, height)
    low, high = left.x, right.x
    while low < (middle := (low + high) / 2) < high:
        on_left = left.holds(middle, float(_at(function, np.array([middle]))[0]))
        low, high = (middle, high) if on_left else (low, middle)
    value = float(_at(function, np.array([high]))[0])
    if right.holds(high, value):  # it belongs to one of the lines, whose end is the shorter number of two neighbours
        high = min((low, high), key=lambda x: len(repr(x)))
        value = float(_at(function, np.array([high]))[0])
    most = max(abs(left.y), abs(right.y), abs(value))
    below, above = float(left(high)), float(right(high))
    return Knot(high, *(_rounded(height, most) for height in (below, value, above)))


def _alone(function: Function, knot: Knot, left: _Line, right: _Line) -> bool:
    """Whether the function lies on the two lines between which it has a knot everywhere else."""
    v = np.linspace(left.x, right.x, BETWEEN)
    held = zip(v.tolist(), _at(function, v).tolist(), strict=True)
    return all(x == knot.at or (left if x < knot.at else right).holds(x, y) for x, y in held)


def _rounded(x: float, scale: float) -> float:
    """x to ``DIGITS`` digits; zero if it is nothing beside ``scale``."""
    return 0.0 if abs(x) <= 1e-12 * abs(scale) else float(f"{x:.{DIGITS}g}")


def _at(function: Function, v: np.ndarray) -> np.ndarray:
    return function(torch.from_numpy(v)).double().numpy()
