"""The initiation interval: how closely samples may follow each other without sharing a set of a node's state.

A sample occupies a node from the beginning of its first operand's window, when the first message may arrive that the
node integrates or keeps a trace of, to the end of the node's own window. If samples follow each other at an interval of
I steps, a node that is occupied for L steps holds ceil(L / I) samples at once and needs as many sets of state, which
samples use in turn. The windows of a node never overlap: it sends for one sample at a time, so that its readers know
from the clock to which sample a message belongs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from evaluator.timeline import Timeline
from processes.errors import DeployError
from processes.network import Network, Route


@dataclass(frozen=True)
class Overlap:
    """A schedule of samples that overlap in time.

    Attributes:
        latency: steps from a sample's input to its answer.
        interval: steps from a sample's input to the next one's, the smallest possible.
        state_sets: most sets of state that a node may have.
        sets: the number of sets of the nodes that need more than one, by name.
        binding: names of the nodes that allow no smaller interval, routes left out.
    """

    latency: int
    interval: int
    state_sets: int = 1
    sets: dict[str, int] = field(default_factory=dict)
    binding: tuple[str, ...] = ()

    @property
    def answers_per_1000_steps(self) -> float:
        """Throughput of a long run, 1000 / interval; without overlap it would be 1000 / latency."""
        return 1000 / self.interval

    @property
    def in_flight(self) -> int:
        """The largest number of samples under way at once."""
        return -(-self.latency // self.interval)

    def measured(self, samples: int) -> dict[str, Any]:
        """The figures of a run of ``samples`` samples, ready for ``TargetRun.measured``."""
        return {
            "interval_steps": self.interval, "latency_steps": self.latency, "state_sets": self.state_sets,
            "steps": self.interval * (samples - 1) + self.latency, "in_flight": min(self.in_flight, samples),
            "answers_per_1000_steps": self.answers_per_1000_steps,
        }  # fmt: skip


def occupied(network: Network, times: Timeline) -> dict[str, int]:
    """The number of steps for which each node holds a sample, by name."""
    spans = {name: times.span(network, name) for name in network.nodes}
    return {name: span.stop - span.start for name, span in spans.items()}


def overlap(network: Network, times: Timeline, state_sets: int = 1) -> Overlap:
    """The schedule with the smallest interval at which no node needs more than ``state_sets`` sets of state.

    Raises:
        DeployError: ``state_sets`` is less than 1.
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
