"""Geometry of line charts as SVG coordinates and paths; the HTML templates add colours and text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.report.data import table

WIDTH, HEIGHT = 300, 180

Series = Mapping[str, Sequence[tuple[float, float] | tuple[float, float, str]]]
"""By label of a series, its points (x, y) or (x, y, name of the point)."""


@dataclass(frozen=True)
class Line:
    """A drawn series: its SVG path, empty if points are not joined, and its dots (x, y, text shown on hover)."""

    label: str
    path: str
    dots: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """A chart in coordinates from 0 to WIDTH and from 0 (top) to HEIGHT.

    Attributes:
        title: of the chart.
        x_label: text of the x axis.
        y_label: text of the y axis.
        lines: the series.
        x_ticks, y_ticks: marks of the axes, (coordinate, text).
        levels: horizontal lines, (y, text).
        front: SVG path of a highlighted line, or empty.
        chosen: coordinates of a highlighted point, or None.
        csv: the points' data as CSV.
    """

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    levels: list[tuple[float, str]] = field(default_factory=list)
    front: str = ""
    chosen: tuple[float, float] | None = None
    csv: str = ""


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    series: Series,
    *,
    log: bool = False,
    levels: Mapping[str, float] | None = None,
    front: Sequence[tuple[float, float]] = (),
    chosen: tuple[float, float] | None = None,
    joined: bool = True,
) -> Chart | None:
    """Lay out a line chart; None if there is nothing to draw.

    Args:
        title: of the chart.
        x_label: text of the x axis.
        y_label: text of the y axis.
        series: the points of each line, in data coordinates.
        log: whether the y axis is logarithmic, which drops values that are not positive.
        levels: by text, values of y that horizontal lines mark.
        front: points that a highlighted line joins.
        chosen: a point to highlight.
        joined: whether the points of a series are joined by a line.
    """
    every = [(x, y) for points in series.values() for x, y, *_ in points]
    levels = dict(levels or {})
    if log:
        every = [point for point in every if point[1] > 0]
        levels = {name: y for name, y in levels.items() if y > 0}
    if not every:
        return None
    x_low, x_high = _range([x for x, _ in every])
    ys = [y for _, y in every] + list(levels.values())
    y_low, y_high = (math.log10(min(ys)) - 0.05, math.log10(max(ys)) + 0.05) if log else _range(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        y = math.log10(y) if log else y
        across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
        return round(across * WIDTH, 1), round((1 - up) * HEIGHT, 1)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{a} {b}" for a, b in (place(*point) for point in points))

    lines = []
    for label, points in series.items():
        drawn = sorted(point for point in points if not log or point[1] > 0)
        dots = [
            (*place(x, y), f"{', '.join((label, *name))}: {x_label} {_text(x)}, {y_label} {_text(y)}")
            for x, y, *name in drawn
        ]
        lines.append(Line(label, path([(x, y) for x, y, *_ in drawn]) if joined and len(drawn) > 1 else "", dots))
    return Chart(
        title, x_label, y_label, lines,
        [(place(x, every[0][1])[0], _text(x)) for x in marks(x_low, x_high)],
        [(place(x_low, y)[1], _text(y)) for y in (_powers(y_low, y_high) if log else marks(y_low, y_high))],
        [(place(x_low, y)[1], name) for name, y in levels.items()],
        path(front) if len(front) > 1 else "",
        place(*chosen) if chosen else None,
        table(("series", x_label, y_label), ((label, x, y) for label, points in series.items() for x, y, *_ in points)),
    )  # fmt: skip


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def marks(low: float, high: float) -> list[float]:
    """About five evenly spaced round numbers (multiples of 1, 2 or 5 times a power of ten) from ``low`` to ``high``."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    stride = next(f * power for f in (1, 2, 5, 10) if f * power >= rough)
    first = math.ceil(low / stride)
    return [round(n * stride, 12) for n in range(first, math.floor(high / stride) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Numbers 1, 2, 5 times a power of ten between 10^low and 10^high; :func:`marks` if there are fewer than two."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    found = [f * 10.0**e for e in exponents for f in (1, 2, 5) if low <= math.log10(f * 10.0**e) <= high]
    return found if len(found) > 1 else marks(10.0**low, 10.0**high)


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
