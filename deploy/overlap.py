"""The interval at which samples may follow each other, as report.json keeps it and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy import schema
from deploy.errors import DeployError
from evaluator.interval import overlap
from evaluator.timeline import Timeline
from processes.network import Network
from processes.populations import populations
from processes.state_sets import state_bits

REPORTED = (1, 2)
"""Numbers of state sets for which reports give the interval."""
NAMED = 3
"""Largest number of binding nodes that a sentence names."""


def overlaps(network: Network, times: Timeline, state_sets: Sequence[int] = REPORTED) -> tuple[schema.Overlap, ...]:
    """The smallest interval between samples (:func:`evaluator.interval.overlap`), for each number in ``state_sets``."""
    found: list[schema.Overlap] = []
    for number in state_sets:
        plan = overlap(network, times, number)
        found.append(
            schema.Overlap(
                state_sets=number,
                interval=plan.interval,
                answers_per_1000_steps=plan.answers_per_1000_steps,
                binding=plan.binding,
                sets=plan.sets,
                memory_bits=further_bits(network, plan.sets),
            )
        )
    return tuple(found)


def further_bits(network: Network, sets: Mapping[str, int]) -> int | None:
    """Memory in bits of all state sets but the first; None if the footprint of an operation is unknown.

    ``sets``: number of state sets by node, for nodes with more than one.
    """
    try:
        bits = [pair for population in populations(network) for pair in state_bits(population).items()]
    except DeployError:
        return None
    return sum((sets.get(name, 1) - 1) * one for name, one in bits)


def sentence(found: schema.Overlap) -> str:
    """An overlap in words: interval, answers per 1,000 steps, the nodes that bind it, memory of further state sets."""
    sets = "one set of state" if found.state_sets == 1 else f"up to {found.state_sets} sets of state"
    binding = ", ".join(found.binding[:NAMED]) + (
        f" and {len(found.binding) - NAMED} more" if len(found.binding) > NAMED else ""
    )
    memory = "" if not found.memory_bits else f", {found.memory_bits / 8192:,.1f} KiB"
    further = f"; {len(found.sets):,} nodes have more than one{memory}" if found.sets else ""
    return (
        f"with {sets} a sample every {found.interval:,} steps, {found.answers_per_1000_steps:.3g} answers in 1,000 steps, "
        f"bound by {binding}{further}"
    )
