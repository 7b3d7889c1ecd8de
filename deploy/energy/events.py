"""Counts a network's events from the spikes of a run, never from nominal rates (docs/design.md, Energy counting).

The events of a node follow from the codes and potentials of its operands and its output, by rules
(:mod:`processes.events`) that are the same for every target: each run is counted from its own spikes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from evaluator.closed_form import currents_by_step, last_reads, streams
from evaluator.continued import PartForm
from evaluator.timeline import timeline
from processes.events import EVENTS, Visit, events, messages
from processes.network import Network
from processes.operation import Operation, Result, Window
from processes.routing import Route


@dataclass
class EventCounter:
    """Adds up events by node; to be called with each node's result in the network's order, as ClosedForm.run does.

    Attributes:
        counts: by node, events over all samples; routes have none.
        uncounted: names of operations that state no events; only their messages are counted.
        samples: number of samples seen so far.
    """

    network: Network
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    uncounted: set[str] = field(default_factory=set)
    samples: int = 0

    def __post_init__(self) -> None:
        self.times = timeline(self.network)
        self.first = next(iter(self.network.nodes))
        self.last_reads = last_reads(self.network)
        self.live: dict[str, torch.Tensor] = {}

    def __call__(self, name: str, op: Operation, result: Result) -> None:
        """Count the events of node ``name``; its operands must have been passed before."""
        output = result.values.cpu()  # compiled loops on the CPU count events
        if name == self.first:
            samples = output.shape[1 if op.fires else 0]
            self.samples += samples
            self.live = {Network.INPUT: torch.zeros(1).expand(samples, *self.network.input_shape)}
        if not isinstance(op, Route):
            self.counts.setdefault(name, Counter()).update(self._count(name, op, output))
        self.live[name] = output
        for source in self.last_reads[name]:
            self.live.pop(source, None)

    def _count(self, name: str, op: Operation, output: torch.Tensor) -> Counter[str]:
        sources = self.network.nodes[name].inputs
        received = [self.live[source] for source in sources]
        if streams(op) and getattr(op, "masked", 0.0):  # spikes that are masked show in currents alone
            received = [currents_by_step(self.network, self.network.nodes[name], self.live, received[0].dtype)]
        visit = Visit(
            op,
            received,
            output,
            ["graded" if source == Network.INPUT else self.network[source].emits for source in sources],
            [self.times.windows[source] for source in sources],
        )
        total = Counter(messages(visit))
        if op.emits != "currents":
            total["neuron_steps"] = visit.size * self.times.period
        if events.statement(type(op)).answer is None:
            self.uncounted.add(op.name)
        else:
            total.update(self._caused(name, visit))
        return total

    def _caused(self, name: str, visit: Visit) -> Counter[str]:
        """Events of a node other than its messages."""
        return Counter(events(visit.op, visit))

    @property
    def totals(self) -> Counter[str]:
        """Events of the whole network over all samples; absent ones are 0."""
        total: Counter[str] = Counter()
        for counted in self.counts.values():
            total.update(counted)
        return total


class ContinuedCounter(EventCounter):
    """Counts the run of new tokens that continue earlier ones, whose traces are held and are not counted again.

    Args:
        part: the run of the new tokens, with whose results the counter is to be called.
    """

    def __init__(self, part: PartForm) -> None:
        super().__init__(part.network)
        self.part = part

    def _caused(self, name: str, visit: Visit) -> Counter[str]:
        """Events of a node; in a product all held traces are read, and only those of the new tokens are copied."""
        if name not in self.part.traces:
            return super()._caused(name, visit)
        (own, reached), (window, _) = visit.inputs, visit.windows
        before = Window(window.start - visit.length(1), window.start)
        wide = replace(visit, inputs=[own, self.part.traces[name].cpu()], windows=[window, before])
        counted = super()._caused(name, wide)
        held = counted["trace_copies"] - int(own.count_nonzero()) - int(reached.count_nonzero())
        counted["trace_copies"] -= held
        return counted


def count_run(network: Network, values: Mapping[str, np.ndarray]) -> EventCounter:
    """Count the events of a target's run.

    Args:
        network: the network that was run.
        values: codes (N, planes, *shape) or potentials (N, *shape) of every node that is no route.
    """
    counter = EventCounter(network)
    samples = len(next(iter(values.values())))
    seen = {Network.INPUT: torch.zeros(samples, *network.input_shape)}
    for name, node in network:
        if isinstance(node.op, Route):
            seen[name] = node.op.closed_form(seen[node.inputs[0]]).values
        else:
            value = torch.from_numpy(values[name])
            seen[name] = value.swapaxes(0, 1).contiguous() if node.op.fires else value
        counter(name, node.op, Result(seen[name]))
    return counter


def differing(one: EventCounter, other: EventCounter) -> int:
    """Number of (node, event) pairs whose counts differ between two runs."""
    names = one.counts.keys() | other.counts.keys()
    return sum(one.counts[name][event] != other.counts[name][event] for name in names for event in EVENTS)
