"""Geometry of the page's drawings as SVG coordinates and paths; the HTML templates add colours and text.

Points are drawn as zero-length strokes with round ends ("M x y h 0"). A scatter's points lie on an integer grid, each
place drawn once, which keeps thousands of them in a few kilobytes.
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
    """One scatter plot: SVG paths in a square of SIDE, the ends ``low`` and ``high`` of both axes, and its CSV."""

    name: str
    points: str
    diagonal: str
    low: float
    high: float
    csv: str


@dataclass(frozen=True)
class Tick:
    """A mark of the time axis: its coordinate and its time step."""

    x: float
    step: int


@dataclass(frozen=True)
class Bar:
    """A stage as a row: ``kind`` names its colour, ``listens`` and ``emits`` are (x, width) of the two intervals."""

    stage: Stage
    kind: str
    y: float
    listens: tuple[float, float]
    emits: tuple[float, float]


@dataclass(frozen=True)
class RasterPanel:
    """A layer's raster: positive and negative spikes as SVG paths in SIDE x RASTER_HEIGHT."""

    layer: RasterLayer
    positive: str
    negative: str


def panels(scatter: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Panel]:
    """A scatter plot for each layer: original values on the x axis, decoded values on the y axis."""
    share = max(100, SCATTER_POINTS // max(1, len(scatter)))
    drawn: list[Panel] = []
    for name, (original, decoded) in scatter.items():
        original, decoded = original[:share], decoded[:share]
        low = float(min(0.0, original.min(), decoded.min()))
        high = float(max(0.0, original.max(), decoded.max()))
        span = (high - low) or 1.0
        x = np.rint((original - low) / span * SIDE).astype(int)
        y = np.rint((high - decoded) / span * SIDE).astype(int)
        kept = np.unique(np.stack([x, y]), axis=1, return_index=True)[1]  # the first of several points in one place
        numbers = data.table(("original", "decoded"), zip(original[kept].tolist(), decoded[kept].tolist(), strict=True))
        drawn.append(Panel(name, _dots(x, y), f"M0 {SIDE}L{SIDE} 0", low, high, numbers))
    return drawn


def ticks(period: int) -> list[Tick]:
    """About eight round marks of the time axis from 0 to ``period`` steps."""
    rough = max(1.0, period / 8)
    power = 10 ** int(np.floor(np.log10(rough)))
    stride = int(next(f * power for f in (1, 2, 5, 10) if f * power >= rough))
    return [Tick(_x(step, period), step) for step in range(0, period + 1, stride)]


def starts(interval: int, period: int) -> list[Tick]:
    """Marks at which further samples begin, every ``interval`` steps, until the first sample's answer at ``period``."""
    return [Tick(_x(step, period), step) for step in range(interval, period, interval)]


def bars(stages: Sequence[Stage], period: int) -> list[Bar]:
    """A row of the time chart for each stage, in order; ``period``: time steps of a sample."""
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
    """A raster for each layer: steps of its window on the x axis, neurons from top to bottom."""
    drawn: list[RasterPanel] = []
    for layer in layers:
        x = (layer.steps - layer.start + 0.5) * SIDE / (layer.stop - layer.start)
        y = (layer.rows + 0.5) * RASTER_HEIGHT / layer.shown
        plus, minus = (_marks(x[side], y[side]) for side in (layer.signs > 0, layer.signs < 0))
        drawn.append(RasterPanel(layer, plus, minus))
    return drawn


@dataclass(frozen=True)
class Heat:
    """A heat map of (rows, columns) cells as SVG paths, one for each shade from pale to full."""

    rows: int
    columns: int
    shades: list[str]


def heat(values: np.ndarray, top: float) -> Heat:
    """Heat map of ``values`` (rows, columns): zero stays empty, and ``top`` and above get the full shade."""
    shade = np.ceil(np.clip(values / (top or 1.0), 0, 1) * SHADES).astype(int)
    paths = [
        "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(shade == level).tolist()) for level in range(1, SHADES + 1)
    ]
    return Heat(values.shape[0], values.shape[1], paths)


def attention(maps: Sequence[AttentionMap]) -> list[tuple[AttentionMap, Heat, Heat]]:
    """For each layer its map, and heat maps of the original and of the spiking attention on the same scale."""
    tops = [float(max(layer.original.max(), layer.spiking.max())) for layer in maps]
    return [(layer, heat(layer.original, top), heat(layer.spiking, top)) for layer, top in zip(maps, tops, strict=True)]


def picture(sample: np.ndarray) -> Heat | None:
    """Grey heat map of at most 32 x 32 cells of an image sample (1 or 3 channels, H, W); None of other samples."""
    if sample.ndim != 3 or sample.shape[0] not in (1, 3):
        return None
    grey = sample.mean(0).astype(np.float64)
    side = -(-max(grey.shape) // 32)
    grey = grey[: grey.shape[0] // side * side, : grey.shape[1] // side * side]
    grey = grey.reshape(grey.shape[0] // side, side, -1, side).mean((1, 3))
    return heat(grey - grey.min(), float(np.ptp(grey)))


@dataclass(frozen=True)
class Wait:
    """The part of the latency due to stages of one role: its time steps, and x and width in a bar of TIME_WIDTH."""

    role: str
    kind: str
    steps: int
    x: float
    width: float


def waits(stages: Sequence[Stage]) -> list[Wait]:
    """The latency split by the role of the stages that the readout waits for, longest part first."""
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
    """Lines (name, colour class, path) over K on a logarithmic y axis; ``powers``, ``steps``: marks (label, place)."""

    width: int
    height: int
    left: int
    lines: Sequence[tuple[str, str, str]]
    powers: Sequence[tuple[int, float]]
    steps: Sequence[tuple[int, float]]


def curve(rows: Sequence[SoftmaxError]) -> Curve | None:
    """Softmax errors against K, of each K for which ``wide`` is known; None if there are fewer than two."""
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
    """The first word of a role, by which style sheets name its colour."""
    return role.split()[0].rstrip(",")


def _x(step: int, period: int) -> float:
    return LABELS + step * (TIME_WIDTH / period)


def _extent(start: int, stop: int, period: int) -> tuple[float, float]:
    return round(_x(start, period), 1), round((stop - start) * TIME_WIDTH / period, 1)


def _dots(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"M{a} {b}h0" for a, b in sorted(set(zip(x.tolist(), y.tolist(), strict=True))))


def _marks(x: np.ndarray, y: np.ndarray) -> str:
    return "".join(f"M{a:.4g} {b:.4g}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
