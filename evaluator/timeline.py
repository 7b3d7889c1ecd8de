"""The schedule of a network: in which steps of a sample each node emits, fixed before the network runs.

A stage fires in the window after the one in which its input arrives; routes, synapses and graded messages take no time
of their own. Every stepped target derives its clock from this table, so that senders and receivers agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from processes.network import Network
from processes.operation import Window


@dataclass(frozen=True)
class Timeline:
    """The schedule of one sample.

    Attributes:
        windows: by node, the input included, the steps in which it emits.
        period: the number of steps of a sample, from its input to the readout's message.
    """

    windows: dict[str, Window]
    period: int

    def span(self, network: Network, name: str) -> Window:
        """The steps in which a node is active: from the start of its earliest operand window to the end of its own."""
        node = network.nodes[name]
        start = min([self.windows[source].start for source in node.inputs])
        return Window(start, self.windows[name].stop)


def timeline(network: Network, steps: Mapping[str, int] | None = None) -> Timeline:
    """The schedule of one sample, from the input's graded message at step 0 to the readout's message.

    Args:
        network: the network to schedule.
        steps: T of some firing nodes by name, to be used instead of the nodes' own, for trying other windows.
    """
    windows = {Network.INPUT: Window(0, 1)}
    ready = {Network.INPUT: 0}
    for name, node in network:
        window = node.op.window([windows[s] for s in node.inputs], [ready[s] for s in node.inputs])
        if steps is not None and name in steps:
            window = Window(window.start, window.start + steps[name])
        windows[name] = window
        # readers can use a graded message in its own step, spikes and currents only when their window is over
        ready[name] = window.start if node.op.emits == "graded" else window.stop
    return Timeline(windows, windows[network.output].stop)
