"""The curves of a sweep or of a search: its points against settings and costs, its Pareto fronts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy.measure import QUALITIES, quality_of
from deploy.report import charts
from deploy.report.charts import Chart, line_chart

Points = Sequence[Mapping[str, Any]]
Value = Callable[[Mapping[str, Any]], float]


def curves(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates draw of ``points`` and ``fronts``; a search has also ``chosen`` and ``largest_loss``."""
    points = content["points"]
    done = [point for point in points if "failed" not in point]
    names = {name: entry["title"] for name, entry in done[0]["energy"].items()} if done else {}
    return {
        "done": done,
        "failed": [point for point in points if "failed" in point],
        "chosen": points[content["chosen"]] if "chosen" in content else None,
        "conventions": names,
        "measured": {q.key: q.title for q in QUALITIES if done and all(q.key in point for point in done)},
        "by_setting": _setting_charts(done),
        "by_latency": _cost_chart(content, done, "latency", "time steps", lambda point: point["latency_steps"]),
        "by_energy": {name: _energy_charts(content, done, name) for name in names},
        "fronts": {name: {id(points[n]) for n in front} for name, front in content.get("fronts", {}).items()},
        "settings": settings(done),
        "id": id,
        "w": charts.WIDTH,
        "h": charts.HEIGHT,
    }


def settings(points: Points) -> list[str]:
    """Those that differ between points."""
    keys = ("timesteps", "base", "method", "precision", "spikes", "tokens")
    return [key for key in keys if len({point.get(key) for point in points}) > 1]


def _setting_charts(points: Points) -> list[Chart]:
    lost, loss = _loss(points)
    found = [
        line_chart(f"{lost} against T", "T", lost, _series(points, "timesteps", loss)),
        line_chart("Error of outputs against T", "T", "error", _series(points, "timesteps", _error), log=True),
        line_chart("Error of outputs against B", "B", "error", _series(points, "chosen_base", _error), log=True),
        line_chart(f"{lost} against B", "B", lost, _series(points, "chosen_base", loss)),
    ]
    return _several([chart for chart in found if chart is not None])


def _cost_chart(content: Mapping[str, Any], points: Points, name: str, unit: str, cost: Value) -> Chart | None:
    """What is lost against a cost, with that cost's Pareto front; of a search also its limit and what it chose."""
    lost, loss = _loss(points)

    def place(number: int) -> tuple[float, float]:
        return cost(content["points"][number]), loss(content["points"][number])

    return line_chart(
        f"{lost} against {'latency' if name == 'latency' else 'energy'}", unit, lost,
        {
            label: [(cost(p), loss(p), f"T = {p['timesteps']}") for p in group]
            for label, group in _groups(points, "timesteps").items()
        },
        front=[place(number) for number in content.get("fronts", {}).get(name, [])],
        chosen=place(content["chosen"]) if "chosen" in content else None,
        levels={"limit": content["largest_loss"]} if "largest_loss" in content else None,
        joined=False,
    )  # fmt: skip


def _energy_charts(content: Mapping[str, Any], points: Points, name: str) -> list[Chart]:
    def joules(point: Mapping[str, Any], whose: str = "snn") -> float:
        return point["energy"][name][whose]

    levels = {} if any("tokens" in point for point in points) else {
        f"original {whose.upper()}": joules(points[0], whose) for whose in ("fp32", "int8")
    }  # fmt: skip
    over_time = line_chart("Energy against T", "T", "µJ", _series(points, "timesteps", joules), log=True, levels=levels)
    found = [*(_several([over_time]) if over_time else []), _cost_chart(content, points, name, "µJ", joules)]
    if levels == {}:
        lengths = _series(points, "tokens", joules)
        for whose in ("fp32", "int8"):
            lengths[f"original {whose.upper()}"] = sorted({(p["tokens"], joules(p, whose)) for p in points})
        found.append(line_chart("Energy against input length", "tokens", "µJ", lengths, log=True))
    return [chart for chart in found if chart is not None]


def _several(drawn: list[Chart]) -> list[Chart]:
    """Charts along an axis on which points differ."""
    return [chart for chart in drawn if any(len({x for x, _, _ in line.dots}) > 1 for line in chart.lines)]


def _error(point: Mapping[str, Any]) -> float:
    return point.get("relative_error", 0.0)


def _loss(points: Points) -> tuple[str, Value]:
    """What is lost against the original: how that is called, and of a point."""
    quality = quality_of(points) or QUALITIES[-1]
    return quality.lost, quality.loss


def _series(points: Points, x: str, y: Value) -> dict[str, list[tuple[float, float]]]:
    return {
        label: sorted((float(point[x]), float(y(point))) for point in group if x in point)
        for label, group in _groups(points, "base" if x == "chosen_base" else x).items()
    }


def _groups(points: Points, axis: str) -> dict[str, list[Mapping[str, Any]]]:
    """Points that differ in ``axis`` alone, under what they have in common."""
    others = [key for key in settings(points) if key != axis]
    words = {"timesteps": "T = {}", "base": "B = {}", "spikes": "{} spikes", "tokens": "{} tokens"}
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for point in points:
        label = ", ".join(words.get(key, "{}").format(point.get(key)) for key in others) or "spiking"
        groups.setdefault(label, []).append(point)
    return groups
