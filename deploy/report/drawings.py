"""Geometry of the page's drawings: numbers and SVG path strings; colours and text are the template's.

Points are drawn as zero-length strokes with round ends ("M x y h 0"), on an integer grid and each place once,
which keeps thousands of them in a few kilobytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deploy.measure import AttentionMap, RasterLayer, Stage
from deploy.report import data
from deploy.schema import SoftmaxError

SIDE = 150
RASTER_HEIGHT = 120
SCATTER_POINTS = 60_000  # in all panels together
LABELS = 190  # width of the names left of a time axis
TIME_WIDTH = 760
STAGE_HEIGHT = 15
SHADES = 12


@dataclass(frozen=True)
class Panel:
    """One scatter: points and the diagonal as paths in a square of SIDE; low and high: the axes' ends; csv: the points."""

    name: str
    points: str
    diagonal: str
    low: float
    high: float
    csv: str


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis."""

    x: float
    step: int


@dataclass(frozen=True)
class Bar:
    """A stage: its kind of colour, y of its row, the time it listens and the time it emits, as (x, width)."""

    stage: Stage
    kind: str
    y: float
    listens: tuple[float, float]
    emits: tuple[float, float]


@dataclass(frozen=True)
class RasterPanel:
    """A layer's window and neurons: spikes of either sign as paths in SIDE x RASTER_HEIGHT."""

    layer: RasterLayer
    positive: str
    negative: str


def panels(scatter: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Panel]:
    """One panel per layer, original to the right and decoded upwards."""
    share = max(100, SCATTER_POINTS // max(1, len(scatter)))
    drawn: list[Panel] = []
    for name, (original, decoded) in scatter.items():
        original, decoded = original[:share], decoded[:share]
        low = float(min(0.0, original.min(), decoded.min()))
        high = float(max(0.0, original.max(), decoded.max()))
        span = (high - low) or 1.0
        x = np.rint((original - low) / span * SIDE).astype(int)
        y = np.rint((high - decoded) / span * SIDE).astype(int)
        kept = np.unique(np.stack([x, y]), axis=1, return_index=True)[1]  # of points in one place the first
        numbers = data.table(("original", "decoded"), zip(original[kept].tolist(), decoded[kept].tolist(), strict=True))
        drawn.append(Panel(name, _dots(x, y), f"M0 {SIDE}L{SIDE} 0", low, high, numbers))
    return drawn


def ticks(period: int) -> list[Tick]:
    """About eight round marks from 0 to ``period``."""
    rough = max(1.0, period / 8)
    power = 10 ** int(np.floor(np.log10(rough)))
    stride = int(next(f * power for f in (1, 2, 5, 10) if f * power >= rough))
    return [Tick(_x(step, period), step) for step in range(0, period + 1, stride)]


def starts(interval: int, period: int) -> list[Tick]:
    """Where samples begin that follow the first one every ``interval`` steps, before its answer is there."""
    return [Tick(_x(step, period), step) for step in range(interval, period, interval)]


def bars(stages: Sequence[Stage], period: int) -> list[Bar]:
    """One row per stage, in order."""
    return [
        Bar(
            stage,
            _kind(stage.role),
            STAGE_HEIGHT * row,
            _extent(stage.listens, stage.start, period),
            _extent(stage.start, stage.stop, period),
        )
        for row, stage in enumerate(stages)
    ]


def rasters(layers: Sequence[RasterLayer]) -> list[RasterPanel]:
    """One panel per layer, steps of its window to the right and neurons downwards."""
    drawn: list[RasterPanel] = []
    for layer in layers:
        x = (layer.steps - layer.start + 0.5) * SIDE / (layer.stop - layer.start)
        y = (layer.rows + 0.5) * RASTER_HEIGHT / layer.shown
        plus, minus = (_marks(x[side], y[side]) for side in (layer.signs > 0, layer.signs < 0))
        drawn.append(RasterPanel(layer, plus, minus))
    return drawn


@dataclass(frozen=True)
class Heat:
    """Cells of a (rows, columns) map as paths, one for each shade from pale to full."""

    rows: int
    columns: int
    shades: list[str]


def heat(values: np.ndarray, top: float) -> Heat:
    """Shades of ``values`` between 0 and ``top``."""
    shade = np.ceil(np.clip(values / (top or 1.0), 0, 1) * SHADES).astype(int)
    paths = [
        "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(shade == level).tolist()) for level in range(1, SHADES + 1)
    ]
    return Heat(values.shape[0], values.shape[1], paths)


def attention(maps: Sequence[AttentionMap]) -> list[tuple[AttentionMap, Heat, Heat]]:
    """Original and spiking in the same shades."""
    tops = [float(max(layer.original.max(), layer.spiking.max())) for layer in maps]
    return [(layer, heat(layer.original, top), heat(layer.spiking, top)) for layer, top in zip(maps, tops, strict=True)]


def picture(sample: np.ndarray) -> Heat | None:
    """An image (channels, H, W) in grey, of at most 32 x 32 cells; None if the sample is none."""
    if sample.ndim != 3 or sample.shape[0] not in (1, 3):
        return None
    grey = sample.mean(0).astype(np.float64)
    side = -(-max(grey.shape) // 32)
    grey = grey[: grey.shape[0] // side * side, : grey.shape[1] // side * side]
    grey = grey.reshape(grey.shape[0] // side, side, -1, side).mean((1, 3))
    return heat(grey - grey.min(), float(np.ptp(grey)))


@dataclass(frozen=True)
class Wait:
    """A role's part of the latency: steps, and its place in a bar of TIME_WIDTH."""

    role: str
    kind: str
    steps: int
    x: float
    width: float


def waits(stages: Sequence[Stage]) -> list[Wait]:
    """What the latency consists of, longest first."""
    total: dict[str, int] = {}
    for stage in stages:
        if stage.waited:
            total[stage.role] = total.get(stage.role, 0) + stage.waited
    scale, x = TIME_WIDTH / (sum(total.values()) or 1), 0.0
    found: list[Wait] = []
    for role, steps in sorted(total.items(), key=lambda item: -item[1]):
        found.append(Wait(role, _kind(role), steps, round(x, 1), round(steps * scale, 1)))
        x += steps * scale
    return found


def short(name: str, length: int = 30) -> str:
    """``name`` with its middle cut out if it is longer than fits beside a drawing."""
    return name if len(name) <= length else f"{name[: length // 3]}…{name[-(length - length // 3 - 1) :]}"


@dataclass(frozen=True)
class Curve:
    """Lines (name, colour class, path) over K, logarithmic upwards; powers and steps: (label, place) of the axes' marks."""

    width: int
    height: int
    left: int
    lines: Sequence[tuple[str, str, str]]
    powers: Sequence[tuple[int, float]]
    steps: Sequence[tuple[int, float]]


def curve(rows: Sequence[SoftmaxError]) -> Curve | None:
    """Softmax errors against those K that reach far enough; None of fewer than two."""
    rows = [row for row in rows if row.wide is not None]
    if len(rows) < 2:
        return None
    width, height, left = 600, 220, 46
    series = (("inputs in [−1, 1]", "positive", "narrow"), ("inputs in [−10, 10]", "negative", "wide"))
    values = np.log10([[max(getattr(row, key) or 0.0, 1e-12) for row in rows] for _, _, key in series])
    low, high = int(np.floor(values.min())), int(np.ceil(values.max()))
    x = left + 12 + np.arange(len(rows)) * (width - left - 24) / (len(rows) - 1)
    y = (high - values) / max(1, high - low) * (height - 8) + 4
    lines = [
        (name, kind, "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, heights, strict=True)))
        for (name, kind, _), heights in zip(series, y, strict=True)
    ]
    powers = [(p, round((high - p) / max(1, high - low) * (height - 8) + 4, 1)) for p in range(low, high + 1, 2)]
    steps = [(row.steps, round(float(a), 1)) for row, a in zip(rows, x, strict=True)]
    return Curve(width, height, left, lines, powers, steps)


def _kind(role: str) -> str:
    """First word of a role, which its colour is named after."""
    return role.split()[0].rstrip(",")


def _x(step: int, period: int) -> float:
    return LABELS + step * (TIME_WIDTH / period)


def _extent(start: int, stop: int, period: int) -> tuple[float, float]:
    return round(_x(start, period), 1), round((stop - start) * TIME_WIDTH / period, 1)


def _dots(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"M{a} {b}h0" for a, b in sorted(set(zip(x.tolist(), y.tolist(), strict=True))))


def _marks(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"M{a:.4g} {b:.4g}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
