"""sweep.html: the curves of a sweep, its Pareto fronts and a table of its points, in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.report import charts
from deploy.report.charts import Chart, line_chart
from deploy.report.page import environment

Points = Sequence[Mapping[str, Any]]
Value = Callable[[Mapping[str, Any]], float]

LABELS = {"accuracy": "accuracy", "agreement": "agreement with the original", "output_cosine": "cosine of outputs"}


def write_page(path: Path, content: Mapping[str, Any]) -> None:
    """Write the page of a sweep.json."""
    done = [point for point in content["points"] if "failed" not in point]
    names = {name: entry["title"] for name, entry in done[0]["energy"].items()} if done else {}
    page = environment().get_template("sweep.html").render(
        sweep=content,
        done=done,
        failed=[point for point in content["points"] if "failed" in point],
        conventions=names,
        measured=[key for key in LABELS if done and all(key in point for point in done)],
        labels=LABELS,
        shared=_shared_charts(done),
        by_convention={name: _energy_charts(content, done, name) for name in names},
        fronts={name: {id(content["points"][n]) for n in front} for name, front in content.get("fronts", {}).items()},
        settings=settings(done),
        id=id,
        w=charts.WIDTH,
        h=charts.HEIGHT,
    )  # fmt: skip
    part = path.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def settings(points: Points) -> list[str]:
    """Those that differ between points."""
    keys = ("timesteps", "base", "method", "precision", "spikes", "tokens")
    return [key for key in keys if len({point.get(key) for point in points}) > 1]


def _shared_charts(points: Points) -> list[Chart]:
    quality, loss = _loss(points)
    found = [
        line_chart(f"{loss} against T", "T", loss, _series(points, "timesteps", quality)),
        line_chart("Error of outputs against T", "T", "error", _series(points, "timesteps", _error), log=True),
        line_chart("Error of outputs against B", "B", "error", _series(points, "chosen_base", _error), log=True),
        line_chart(f"{loss} against B", "B", loss, _series(points, "chosen_base", quality)),
    ]
    return _several([chart for chart in found if chart is not None])


def _energy_charts(content: Mapping[str, Any], points: Points, name: str) -> list[Chart]:
    quality, loss = _loss(points)

    def joules(point: Mapping[str, Any], whose: str = "snn") -> float:
        return point["energy"][name][whose]

    levels = {} if any("tokens" in point for point in points) else {
        f"original {whose.upper()}": joules(points[0], whose) for whose in ("fp32", "int8")
    }  # fmt: skip
    front = [content["points"][n] for n in content.get("fronts", {}).get(name, [])]
    over_time = line_chart("Energy against T", "T", "µJ", _series(points, "timesteps", joules), log=True, levels=levels)
    found = [
        *(_several([over_time]) if over_time else []),
        line_chart(
            f"{loss} against energy", "µJ", loss,
            {label: [(joules(p), quality(p)) for p in group] for label, group in _groups(points, "base").items()},
            front=[(joules(p), quality(p)) for p in front], joined=False,
        ),
    ]  # fmt: skip
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


def _loss(points: Points) -> tuple[Value, str]:
    """What is lost against the original, and how that is called."""
    if points and all("accuracy" in point for point in points):
        return lambda point: 100 * (point["ann_accuracy"] - point["accuracy"]), "Points of accuracy lost"
    if points and all("agreement" in point for point in points):
        return lambda point: 100 * (1 - point["agreement"]), "Other predictions, %"
    return lambda point: 1 - point.get("output_cosine", 1.0), "1 − cosine of outputs"


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

