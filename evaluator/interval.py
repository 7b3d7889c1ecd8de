"""How closely samples may follow each other: no node is asked to hold two samples in one set of state.

A node is occupied by a sample from its first operand's window, when the first message may arrive that it integrates or keeps a
trace of, to the end of its own. If samples follow each other at an interval of I steps, one that is occupied for L steps holds
ceil(L / I) samples at once and needs as many sets of state, which they take in turn. The windows of a node never overlap: it
sends for one sample at a time, so that who hears it knows by the clock for which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evaluator.timeline import Timeline
from processes.errors import DeployError
from processes.network import Network, Route


@dataclass(frozen=True)
class Overlap:
    """Samples that follow each other before the last one's answer is there.

    Attributes:
        latency: steps from a sample's input to its answer.
        interval: steps from a sample's input to the next one's, the smallest there is.
        state_sets: most sets of state that a node may have.
        sets: of the nodes that need more than one, by name.
        binding: nodes that allow no smaller interval, wiring left out.
    """

    latency: int
    interval: int
    state_sets: int = 1
    sets: dict[str, int] = field(default_factory=dict)
    binding: tuple[str, ...] = ()

    @property
    def answers_per_1000_steps(self) -> float:
        """Of a long run; one sample after the other would give 1000 / latency."""
        return 1000 / self.interval

    @property
    def in_flight(self) -> int:
        """Samples that are under way at once, at most."""
        return -(-self.latency // self.interval)

    def measured(self, samples: int) -> dict[str, Any]:
        """What a target tells of a run of so many samples."""
        return {
            "interval_steps": self.interval, "latency_steps": self.latency, "state_sets": self.state_sets,
            "steps": self.interval * (samples - 1) + self.latency, "in_flight": min(self.in_flight, samples),
            "answers_per_1000_steps": self.answers_per_1000_steps,
        }  # fmt: skip


def occupied(network: Network, times: Timeline) -> dict[str, int]:
    """Steps for which each node holds a sample."""
    spans = {name: times.span(network, name) for name in network.nodes}
    return {name: span.stop - span.start for name, span in spans.items()}


def overlap(network: Network, times: Timeline, state_sets: int = 1) -> Overlap:
    """The smallest interval if nodes may have ``state_sets`` sets of state.

    Raises:
        DeployError: fewer than one set.
    """
    if state_sets < 1:
        raise DeployError(f"--state-sets {state_sets}: a node has at least one set of state")
    steps = occupied(network, times)
    windows = {name: times.windows[name].stop - times.windows[name].start for name in network.nodes}
    least = {name: max(windows[name], _share(steps[name], state_sets)) for name in network.nodes}
    interval = max(least.values())
    return Overlap(
        times.period,
        interval,
        state_sets,
        {name: sets for name in network.nodes if (sets := _share(steps[name], interval)) > 1},
        tuple(name for name, node in network if least[name] == interval and not isinstance(node.op, Route)),
    )


def _share(steps: int, of: int) -> int:
    return -(-steps // of)
