"""Which points of a sweep are worth having: no other is both cheaper and at least as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

QUALITIES = ("accuracy", "agreement", "output_cosine")


def quality_of(points: Sequence[Mapping[str, Any]]) -> str | None:
    """The first measure of quality that all finished points have."""
    done = [point for point in points if "failed" not in point]
    return next((key for key in QUALITIES if done and all(point.get(key) is not None for point in done)), None)


def fronts(points: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """By energy convention, and for latency: numbers of the points on the Pareto front, from cheap to good."""
    done = [number for number, point in enumerate(points) if "failed" not in point]
    quality = quality_of(points)
    if quality is None:
        return {}
    costs = {
        name: [points[number]["energy"][name]["snn"] for number in done] for name in points[done[0]]["energy"]
    } | {"latency": [points[number]["latency_steps"] for number in done]}
    worth = [points[number][quality] for number in done]
    return {name: [done[i] for i in pareto(cost, worth)] for name, cost in costs.items()}


def pareto(cost: Sequence[float], worth: Sequence[float]) -> list[int]:
    """Indices that nothing beats, in the order of their cost: each is worth more than all that cost less or the same."""
    found: list[int] = []
    for i in sorted(range(len(cost)), key=lambda i: (cost[i], -worth[i])):
        if not found or worth[i] > worth[found[-1]]:
            found.append(i)
    return found
