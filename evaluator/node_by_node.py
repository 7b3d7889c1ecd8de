"""Steps a sample node by node: each node takes all of its steps before the next one begins.

A network has no cycles, and a step of a node depends only on what its operands send up to that step. So nodes need not
wait for each other at every step, and a stepper that can (:class:`processes.sent.Through`) takes all steps in one call.
A node is not stepped while it is idle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluator.stepping import Recorder
from evaluator.timeline import Timeline
from processes.network import Network, Route
from processes.sent import Operands, Sent, Through, stepwise


class NodeByNode:
    """Steps samples through a whole network, one after the other, node by node."""

    def __init__(self, network: Network, times: Timeline) -> None:
        self.network, self.times = network, times
        self.nodes = [self._node(name) for name in network.nodes]
        self.readers = {name: sum(name in node.inputs for node in network.nodes.values()) for name in network.nodes}

    def sample(self, x: np.ndarray) -> Recorder:
        """Step one graded input (1, *shape); returns the recorded values and clips of all nodes."""
        recorder = Recorder(self.network, self.times)
        sent: dict[str, Sent | None] = {Network.INPUT: Sent(np.zeros(1, np.int64), x[None])}
        unread = dict(self.readers)
        for name, run, clips in self.nodes:
            sources = self.network.nodes[name].inputs
            found = sent[name] = run([sent[source] for source in sources])
            if found is not None and not isinstance(self.network[name], Route):
                recorder.take(name, found)
            recorder.count(name, clips())
            for source in set(sources) - {Network.INPUT}:
                unread[source] -= 1
                if not unread[source]:
                    del sent[source]
        return recorder

    def _node(self, name: str) -> tuple[str, Callable[[Operands], Sent | None], Callable[[], int]]:
        """A node's name, a function that takes all of its steps, and one that returns its count of clips."""
        op, window = self.network[name], self.times.windows[name]
        stepper = op.stepper(window, [self.times.windows[source] for source in self.network.nodes[name].inputs])
        span, begin = self.times.span(self.network, name), window.start - getattr(op, "exchange_steps", 0)

        def alone(operands: Operands) -> Sent | None:
            return stepwise(stepper, span, begin, operands)

        def at_once(operands: Operands) -> Sent | None:
            return stepper.through(operands, lambda: alone(operands))  # pyright: ignore[reportAttributeAccessIssue]

        return name, at_once if isinstance(stepper, Through) else alone, lambda: getattr(stepper, "clips", 0)
