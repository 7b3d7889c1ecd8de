"""The charts of a sweep or of a search within a budget: points against settings and costs, and Pareto fronts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deploy.measure import QUALITIES, quality_of
from deploy.report import charts
from deploy.report.charts import Chart, line_chart
from deploy.schema import LATENCY, BudgetSearch, Failed, Joules, Measured, Point, Search

Value = Callable[[Measured], float]


def curves(search: Search) -> dict[str, Any]:
    """Variables of the templates for a search: its points, charts and fronts, and the chosen point within a budget."""
    points = search.points
    done = [point for point in points if isinstance(point, Measured)]
    names = {name: entry.title for name, entry in done[0].energy.items()} if done else {}
    return {
        "done": done,
        "failed": [point for point in points if isinstance(point, Failed)],
        "chosen": points[search.chosen] if isinstance(search, BudgetSearch) else None,
        "chosen_as": "chosen",
        "conventions": names,
        "perplexity": _all_have(done, "perplexity"),
        "measured": {q.key: q.title for q in QUALITIES if _all_have(done, q.key)},
        "by_setting": _setting_charts(done),
        "by_latency": _cost_chart(search, done, LATENCY),
        "by_energy": {name: _energy_charts(search, done, name) for name in names},
        "fronts": {name: {id(points[n]) for n in front} for name, front in search.fronts.items()},
        "settings": settings(done),
        "id": id,
        "w": charts.WIDTH,
        "h": charts.HEIGHT,
    }


def _all_have(points: Sequence[Measured], key: str) -> bool:
    """Whether there are points, and all of them have a value in the field ``key``."""
    return bool(points) and all(getattr(point, key) is not None for point in points)


def settings(points: Sequence[Point]) -> list[str]:
    """Names of the settings that differ between points."""
    keys = ("timesteps", "base", "method", "precision", "spikes", "tokens")
    return [key for key in keys if len({getattr(point, key) for point in points}) > 1]


def _setting_charts(points: Sequence[Measured]) -> list[Chart]:
    lost, loss = _loss(points)
    found = [
        line_chart(f"{lost} against T", "T, time steps", lost, _series(points, "timesteps", loss)),
        line_chart(
            "Error of outputs against T",
            "T, time steps",
            "relative error",
            _series(points, "timesteps", _error),
            log=True,
        ),
        line_chart(
            "Error of outputs against B", "B", "relative error", _series(points, "chosen_base", _error), log=True
        ),
        line_chart(f"{lost} against B", "B", lost, _series(points, "chosen_base", loss)),
    ]
    return _several([chart for chart in (*found, *_perplexity_charts(points)) if chart is not None])


def _perplexity_charts(points: Sequence[Measured]) -> list[Chart | None]:
    """Charts of perplexity against T and against spikes per neuron; empty of points without perplexities."""
    if not _all_have(points, "perplexity") or not _all_have(points, "spikes_per_neuron"):
        return []
    originals = {point.ann_perplexity or 0.0 for point in points}  # differ only with the length of windows
    levels = {"original": originals.pop()} if len(originals) == 1 else {}
    spikes = {
        label: [(p.spikes_per_neuron or 0.0, p.perplexity or 0.0, f"T = {p.timesteps}") for p in group]
        for label, group in _groups(points, "timesteps").items()
    }
    return [
        line_chart(
            "Perplexity against T", "T, time steps", "perplexity",
            _series(points, "timesteps", lambda point: point.perplexity or 0.0), levels=levels,
        ),
        line_chart("Perplexity against spikes", "spikes per neuron", "perplexity", spikes, levels=levels, joined=False),
    ]  # fmt: skip


def _cost_chart(search: Search, points: Sequence[Measured], name: str) -> Chart | None:
    """Chart of the loss against a cost, with its Pareto front, and the limit and choice of a search within a budget."""
    lost, loss = _loss(points)
    within = search if isinstance(search, BudgetSearch) else None

    def place(number: int) -> tuple[float, float]:
        point = search.points[number]
        assert isinstance(point, Measured)  # failed points are neither on a front nor chosen
        return point.cost(name), loss(point)

    against, axis = ("latency", "latency, time steps") if name == LATENCY else ("energy", "energy per sample, µJ")
    return line_chart(
        f"{lost} against {against}", axis, lost,
        {
            label: [(p.cost(name), loss(p), f"T = {p.timesteps}") for p in group]
            for label, group in _groups(points, "timesteps").items()
        },
        front=[place(number) for number in search.fronts.get(name, ())],
        chosen=None if within is None else place(within.chosen),
        levels=None if within is None else {"limit": within.largest_loss},
        joined=False,
    )  # fmt: skip


def _energy_charts(search: Search, points: Sequence[Measured], name: str) -> list[Chart]:
    def original(point: Measured) -> dict[str, float]:
        joules: Joules = point.energy[name]
        return {"original FP32": joules.fp32, "original INT8": joules.int8}

    def spiking(point: Measured) -> float:
        return point.cost(name)

    lengths = any(point.tokens is not None for point in points)
    levels = {} if lengths else original(points[0])
    over_time = line_chart(
        "Energy against T",
        "T, time steps",
        "energy per sample, µJ",
        _series(points, "timesteps", spiking),
        log=True,
        levels=levels,
    )
    found = [*(_several([over_time]) if over_time else []), _cost_chart(search, points, name)]
    if lengths:
        series = _series(points, "tokens", spiking)
        for whose in original(points[0]):
            series[whose] = sorted({(float(p.tokens), original(p)[whose]) for p in points if p.tokens is not None})
        found.append(line_chart("Energy against input length", "tokens", "energy per sample, µJ", series, log=True))
    return [chart for chart in found if chart is not None]


def _several(drawn: list[Chart]) -> list[Chart]:
    """The charts whose points have more than one x coordinate."""
    return [chart for chart in drawn if any(len({x for x, _, _ in line.dots}) > 1 for line in chart.lines)]


def _error(point: Measured) -> float:
    return point.relative_error or 0.0


def _loss(points: Sequence[Measured]) -> tuple[str, Value]:
    """The measure of loss that all points have: its name, and a function that computes it for a point."""
    quality = quality_of(points) or QUALITIES[-1]
    return quality.lost, quality.loss


def _series(points: Sequence[Measured], x: str, y: Value) -> dict[str, list[tuple[float, float]]]:
    return {
        label: sorted((float(getattr(point, x)), float(y(point))) for point in group if getattr(point, x) is not None)
        for label, group in _groups(points, "base" if x == "chosen_base" else x).items()
    }


def _groups(points: Sequence[Measured], axis: str) -> dict[str, list[Measured]]:
    """Groups of points that differ in ``axis`` alone, by a label of the settings that they have in common."""
    others = [key for key in settings(points) if key != axis]
    words = {"timesteps": "T = {}", "base": "B = {}", "spikes": "{} spikes", "tokens": "{} tokens"}
    groups: dict[str, list[Measured]] = {}
    for point in points:
        label = ", ".join(words.get(key, "{}").format(getattr(point, key)) for key in others) or "spiking"
        groups.setdefault(label, []).append(point)
    return groups
