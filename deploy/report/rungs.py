"""The ladder as a drawing: a row for each rung with accuracy and agreement and their 95 % intervals, or its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.report.charts import marks
from deploy.schema import Rung
from deploy.shares import share_of

WIDTH, LEFT, ROW = 640, 200, 34
COLOURS = {"accuracy": 0, "agreement": 1, "relative_error": 2}


@dataclass(frozen=True)
class Mark:
    """A dot at (x, y), a horizontal line from ``low`` to ``high`` (equal if there is none), and the text on hover."""

    x: float
    y: float
    low: float
    high: float
    colour: int
    text: str


@dataclass(frozen=True)
class Row:
    """The row of a rung: its name, the y coordinate, and its marks."""

    name: str
    y: float
    marks: list[Mark]


@dataclass(frozen=True)
class Rungs:
    """The drawing of a ladder.

    Attributes:
        width, height: of the drawing.
        middle: x of the middle of the axis.
        label: text of the axis.
        ticks: marks of the axis, (x, text).
        rows: one for each rung.
        legend: (name, colour number) of each quantity.
    """

    width: int
    height: int
    middle: float
    label: str
    ticks: list[tuple[float, str]]
    rows: list[Row]
    legend: list[tuple[str, int]]


def rungs(ladder: Sequence[Rung]) -> Rungs | None:
    """Draw accuracy and agreement in percent, or the outputs' relative error of models without classes.

    None if there are fewer than two rungs, or no values.
    """
    keys = [key for key in ("accuracy", "agreement") if any(getattr(rung, key) is not None for rung in ladder)]
    label = "share of samples, % (lines: 95 % intervals)" if keys else "relative error of outputs"
    keys = keys or ["relative_error"]
    values = [
        (number, key, *found) for number, rung in enumerate(ladder) for key in keys if (found := _value(rung, key))
    ]
    if len(ladder) < 2 or not values:
        return None
    low, high = min(v[3] for v in values), max(v[4] for v in values)
    margin = (high - low) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 10), 1)

    rows = [Row(rung.name, ROW * number + ROW / 2, []) for number, rung in enumerate(ladder)]
    for number, key, middle, start, end, text in values:
        row, apart = rows[number], 5 * (2 * keys.index(key) - len(keys) + 1)
        name = key.replace("_", " ")
        row.marks.append(Mark(x(middle), row.y + apart, x(start), x(end), COLOURS[key], f"{row.name}, {name}: {text}"))
    return Rungs(
        WIDTH, ROW * len(ladder), (LEFT + WIDTH) / 2, label, [(x(tick), f"{tick:g}") for tick in marks(low, high)], rows,
        [(key.replace("_", " "), COLOURS[key]) for key in keys],
    )  # fmt: skip


def _value(rung: Rung, key: str) -> tuple[float, float, float, str] | None:
    """(value, ends of its 95 % interval, text) of a rung's quantity ``key``, shares in percent; None if absent."""
    value = getattr(rung, key)
    if key == "relative_error":
        return None if value is None else (value, value, value, f"{value:.4f}")
    share = share_of(value, rung.samples)
    if share is None:
        return None
    low, high = share.interval
    return 100 * share.value, 100 * low, 100 * high, str(share)
