"""T of every firing node, within a limit on the steps of a whole sample.

Nodes that are as many windows away from the input fire at the same time and are a *stage*: the next one waits for the slowest
of them, so they share a T, and the latency is the sum of the stages' windows and of the exchanges between them. From the
shortest windows on, the stage is lengthened that saves most of the outputs' squared error for each step that it costs, until
nothing fits any more. Nodes that nobody waits for (V, whose traces are held until softmax has fired) then take whatever T
costs no latency.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from converters.overrides import Override
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network

TRIED: tuple[int, ...] = (4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40)
"""T that a node may have, ascending."""
USUAL = 16
"""T of all nodes whose latency is the limit where none is given."""


def way(
    network: Network, names: Iterable[str], given: Mapping[str, Override],
    errors: Mapping[str, Mapping[int, float]] | None = None,
) -> Path:  # fmt: skip
    """The path of a network whose firing nodes are ``names``, some of which have their T given.

    ``errors``: of every node at each T, if they are known already.
    """
    fixed = {name: own.timesteps for name, own in given.items() if own.timesteps is not None}
    return Path(network, errors or {name: {} for name in names}, fixed)


class _Longer(NamedTuple):
    """Windows that are longer by ``cost`` steps of the path; rate: squared error that each of these steps saves."""

    rate: float
    cost: int
    windows: dict[str, int]


@dataclass(frozen=True)
class Path:
    """The way from the input to the answer.

    Attributes:
        errors: squared output error that a node makes, by its T, and what its spikes are worth where they are scarce.
        fixed: T of nodes that have no choice.
    """

    network: Network
    errors: Mapping[str, Mapping[int, float]]
    fixed: Mapping[str, int]

    def latency(self, windows: Mapping[str, int]) -> int:
        """Steps of a sample."""
        return timeline(self.network, windows).period

    def all_at(self, steps: int) -> dict[str, int]:
        """The same T for all nodes that may choose."""
        return {name: self.fixed.get(name, steps) for name in self.errors}

    def limit(self, given: int | None) -> int:
        """Most steps of a sample: what is given, or what a T of ``USUAL`` would take.

        Raises:
            DeployError: even the shortest windows take more than what is given.
        """
        if given is None:
            return self.latency(self.all_at(USUAL))
        least = self.latency(self.all_at(TRIED[0]))
        if least > given:
            raise DeployError(
                f"--latency {given}: windows of {TRIED[0]} steps, the shortest, already take {least:,} steps from the input to "
                "the answer; give at least that many"
            )
        return given

    def longest(self, limit: int) -> int:
        """The largest T for all with which a sample takes at most ``limit`` steps, or the shortest."""
        return max((t for t in TRIED if self.latency(self.all_at(t)) <= limit), default=TRIED[0])

    def within(self, limit: int) -> dict[str, int]:
        """T by node, with which a sample takes at most ``limit`` steps, as many as the shortest windows at least."""
        windows = self.all_at(TRIED[0])
        least = self.latency(windows)
        waiting = [name for name in windows if self.latency({**windows, name: windows[name] + 1}) == least]
        stages = [[name for name in stage if name not in waiting] for stage in self.stages()]
        room = limit - least
        while (latency := self.latency(windows := self._lengthened(stages, room))) > limit:
            room -= 1  # an exchange beside the longest way has become part of it
        for name in waiting:
            if name in self.fixed:
                continue
            free = [steps for steps in TRIED if self.latency({**windows, name: steps}) <= latency]
            windows[name] = min(free, key=self.errors[name].__getitem__)
        return windows

    def _lengthened(self, stages: Sequence[Sequence[str]], room: int) -> dict[str, int]:
        """T by node where the stages' windows together are at most ``room`` steps longer than the shortest."""
        windows = self.all_at(TRIED[0])
        while longer := [each for stage in stages for each in self._longer(stage, windows, room)]:
            best = max(longer, key=lambda each: each.rate)
            windows |= best.windows
            room -= best.cost
        return windows

    def _longer(self, stage: Sequence[str], windows: Mapping[str, int], room: int) -> Iterator[_Longer]:
        """Ways to lengthen a stage that save any error and cost no more than ``room``."""
        own = [name for name in stage if name not in self.fixed]
        for steps in TRIED:
            if not own or steps <= windows[own[0]]:
                continue
            changed = dict.fromkeys(own, steps)
            cost = max({**windows, **changed}[name] for name in stage) - max(windows[name] for name in stage)
            saved = sum(self.errors[name][windows[name]] - self.errors[name][steps] for name in own)
            if saved > 0 and cost <= room:
                yield _Longer(saved / cost if cost else math.inf, cost, changed)

    def stages(self) -> list[list[str]]:
        """Nodes by how many windows lie before theirs."""
        depth, found = {Network.INPUT: 0}, {}
        for name, node in self.network:
            before = max(depth[source] for source in node.inputs)
            depth[name] = before + (name in self.errors)
            if name in self.errors:
                found.setdefault(before, []).append(name)
        return list(found.values())
