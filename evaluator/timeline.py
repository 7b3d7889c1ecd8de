"""When each node of a network emits, in steps of one sample: the network's schedule, fixed before it runs.

A stage fires in the window after the one in which its input arrives; wiring, synapses and graded messages take no time
of their own. Every stepped target derives its clock from this table, so senders and receivers agree on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processes.network import Network
from processes.operation import Window


@dataclass(frozen=True)
class Timeline:
    """``windows[name]``: steps in which a node emits; ``period``: steps of one sample."""

    windows: dict[str, Window]
    period: int

    def span(self, network: Network, name: str) -> Window:
        """Steps in which a node has anything to do: from its first operand's window to the end of its own."""
        node = network.nodes[name]
        start = min([self.windows[source].start for source in node.inputs])
        # a race has to find its winner in the step before it fires
        return Window(start, self.windows[name].stop)


def timeline(network: Network, steps: Mapping[str, int] | None = None) -> Timeline:
    """Schedule of one sample, from the input's graded message at step 0 to the readout's.

    ``steps``: T of windows that are tried, by firing node, instead of those that the nodes have.
    """
    windows = {Network.INPUT: Window(0, 1)}
    ready = {Network.INPUT: 0}
    for name, node in network:
        window = node.op.window([windows[s] for s in node.inputs], [ready[s] for s in node.inputs])
        if steps is not None and name in steps:
            window = Window(window.start, window.start + steps[name])
        windows[name] = window
        # a graded message can be acted upon in its own step, currents only when their window is over
        ready[name] = window.start if node.op.emits == "graded" else window.stop
    return Timeline(windows, windows[network.output].stop)
