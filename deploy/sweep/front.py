"""Which points of a sweep are worth having: no other is both cheaper and at least as good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.measure import quality_of

LATENCY = "latency"


def fronts(points: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """By energy convention, and for latency: numbers of the points on the Pareto front, from cheap to good."""
    done = [number for number, point in enumerate(points) if "failed" not in point]
    quality = quality_of([points[number] for number in done])
    if quality is None:
        return {}
    worth = [-quality.loss(points[number]) for number in done]
    names = [*points[done[0]]["energy"], LATENCY]
    return {name: [done[i] for i in pareto([cost(points[n], name) for n in done], worth)] for name in names}


def cost(point: Mapping[str, Any], name: str) -> float:
    """Microjoules by an energy convention, or time steps for ``LATENCY``."""
    return point["latency_steps"] if name == LATENCY else point["energy"][name]["snn"]


def pareto(cost: Sequence[float], worth: Sequence[float]) -> list[int]:
    """Indices that nothing beats, in the order of their cost: each is worth more than all that cost less or the same."""
    found: list[int] = []
    for i in sorted(range(len(cost)), key=lambda i: (cost[i], -worth[i])):
        if not found or worth[i] > worth[found[-1]]:
            found.append(i)
    return found
