"""Pareto fronts of a sweep: the points than which no other is both cheaper and at least as good."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.measure import quality_of
from deploy.schema import LATENCY, Measured, Point


def fronts(points: Sequence[Point]) -> dict[str, tuple[int, ...]]:
    """By energy convention and for latency, indices of the points on the Pareto front, cheapest first."""
    done = [(number, point) for number, point in enumerate(points) if isinstance(point, Measured)]
    quality = quality_of([point for _, point in done])
    if quality is None:
        return {}
    worth = [-quality.loss(point) for _, point in done]
    names = [*done[0][1].energy, LATENCY]
    return {name: tuple(done[i][0] for i in pareto([p.cost(name) for _, p in done], worth)) for name in names}


def pareto(cost: Sequence[float], worth: Sequence[float]) -> list[int]:
    """Indices on the Pareto front, by ascending cost: each is worth more than all that cost less or the same."""
    found: list[int] = []
    for i in sorted(range(len(cost)), key=lambda i: (cost[i], -worth[i])):
        if not found or worth[i] > worth[found[-1]]:
            found.append(i)
    return found
