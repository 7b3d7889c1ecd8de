"""T of every firing node, within a limit on the steps of a whole sample.

Nodes with the same number of windows between the input and theirs fire at the same time and form a *stage*. The next
stage waits for the slowest of them, so they share a T, and the latency is the sum of the stages' windows and of the
exchanges between them. From the shortest windows on, the stage is lengthened that saves most of the outputs' squared
error for each step that it costs, until nothing fits any more. Nodes that no stage waits for (V, whose traces are held
until softmax has fired) then take the T with the least error that costs no latency.
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
"""Where no latency is given, the limit is the latency with this T for all nodes."""


def way(
    network: Network, names: Iterable[str], given: Mapping[str, Override],
    errors: Mapping[str, Mapping[int, float]] | None = None,
) -> Path:  # fmt: skip
    """The path of a network whose firing nodes are ``names``; nodes whose T is in ``given`` are fixed.

    ``errors``: by node and T, the squared output error and the worth of the spikes, if known already.
    """
    fixed = {name: own.timesteps for name, own in given.items() if own.timesteps is not None}
    return Path(network, errors or {name: {} for name in names}, fixed)


class _Longer(NamedTuple):
    """A way to lengthen the windows of a stage.

    Attributes:
        rate: squared error that it saves for each step of latency.
        cost: steps by which the latency grows.
        windows: the new T, by node of the stage.
    """

    rate: float
    cost: int
    windows: dict[str, int]


@dataclass(frozen=True)
class Path:
    """The path of a sample from the input to the readout, whose latency follows from the T of the firing nodes.

    Attributes:
        network: lowered.
        errors: by firing node and T, the squared output error that the node makes, plus its spikes times the price of a
            spike where they are scarce.
        fixed: T of the nodes whose T is not chosen.
    """

    network: Network
    errors: Mapping[str, Mapping[int, float]]
    fixed: Mapping[str, int]

    def latency(self, windows: Mapping[str, int]) -> int:
        """Steps that a sample takes with these T by node."""
        return timeline(self.network, windows).period

    def all_at(self, steps: int) -> dict[str, int]:
        """T by node: ``steps`` for all nodes whose T is not fixed."""
        return {name: self.fixed.get(name, steps) for name in self.errors}

    def limit(self, given: int | None) -> int:
        """Most steps of a sample: the given number, or the steps that it takes with T = ``USUAL`` for all nodes.

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
        """The largest common T with which a sample takes at most ``limit`` steps; if none does, the smallest T."""
        return max((t for t in TRIED if self.latency(self.all_at(t)) <= limit), default=TRIED[0])

    def within(self, limit: int) -> dict[str, int]:
        """T by node, chosen by ``errors`` such that a sample takes at most ``limit`` steps; the shortest must fit."""
        windows = self.all_at(TRIED[0])
        least = self.latency(windows)
        waiting = [name for name in windows if self.latency({**windows, name: windows[name] + 1}) == least]
        stages = [[name for name in stage if name not in waiting] for stage in self.stages()]
        room = limit - least
        while (latency := self.latency(windows := self._lengthened(stages, room))) > limit:
            room -= 1  # an exchange that was off the longest path has become part of it
        for name in waiting:
            if name in self.fixed:
                continue
            free = [steps for steps in TRIED if self.latency({**windows, name: steps}) <= latency]
            windows[name] = min(free, key=self.errors[name].__getitem__)
        return windows

    def _lengthened(self, stages: Sequence[Sequence[str]], room: int) -> dict[str, int]:
        """T by node: the shortest windows with stages lengthened, best rate first, by at most ``room`` steps in all."""
        windows = self.all_at(TRIED[0])
        while longer := [each for stage in stages for each in self._longer(stage, windows, room)]:
            best = max(longer, key=lambda each: each.rate)
            windows |= best.windows
            room -= best.cost
        return windows

    def _longer(self, stage: Sequence[str], windows: Mapping[str, int], room: int) -> Iterator[_Longer]:
        """Ways to lengthen a stage that save error and cost at most ``room`` steps; fixed nodes keep their T."""
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
        """Firing nodes by stage: those with the same number of windows between the input and theirs."""
        depth, found = {Network.INPUT: 0}, {}
        for name, node in self.network:
            before = max(depth[source] for source in node.inputs)
            depth[name] = before + (name in self.errors)
            if name in self.errors:
                found.setdefault(before, []).append(name)
        return list(found.values())
