"""A set of nodes stepped together in one place: what one Lava Process per block, or one plain loop, runs.

At each step only the nodes whose span contains it are called, in topological order; messages live for one step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluator.timeline import Timeline
from processes.fixed import saturate, saturated
from processes.network import Network, Route

Record = Callable[[str, int, np.ndarray], None]


def broadcast_of(product: str) -> str:
    """Name of the broadcast trace of a product."""
    return f"{product}.trace"


class Group:
    """Steps the nodes ``names`` of a network; what comes from outside is given, what goes outside is returned.

    It has the interface of a stepper, with ``sources`` as operands and ``sink`` as output.
    """

    def __init__(
        self,
        network: Network,
        times: Timeline,
        names: list[str],
        sources: list[str],
        sink: str,
        record: Record | None = None,
    ) -> None:
        self.sources, self.sink, self.record = sources, sink, record
        self.steppers = {
            name: network[name].stepper(times.windows[name], [times.windows[s] for s in network.nodes[name].inputs])
            for name in names
        }
        # a product whose trace is broadcast from outside takes it as one more operand
        self.operands = {
            name: (*network.nodes[name].inputs, *(s for s in sources if s == broadcast_of(name))) for name in names
        }
        self.recorded = {name for name in names if not isinstance(network[name], Route)}
        self.active: list[list[str]] = [[] for _ in range(times.period)]
        for name in names:
            span = times.span(network, name)
            for t in range(span.start, span.stop):  # wiring and all, in topological order
                self.active[t].append(name)

    def reset(self) -> None:
        """Forget the previous sample."""
        for stepper in self.steppers.values():
            stepper.reset()

    def clips(self) -> dict[str, int]:
        """What nodes have clipped of complete potentials in this sample, where they have."""
        found = {name: getattr(stepper, "clips", 0) for name, stepper in self.steppers.items()}
        return {name: clips for name, clips in found.items() if clips}

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """One step of every active node; returns the sink's message."""
        sent = dict(zip(self.sources, messages, strict=True))
        for name in self.active[t]:
            message = self.steppers[name].step(t, [sent.get(source) for source in self.operands[name]])
            sent[name] = message
            if message is not None and self.record is not None and name in self.recorded:
                self.record(name, t, message)
        return sent.get(self.sink)


class Recorder:
    """Collects the messages of chosen nodes into the arrays that the closed form also produces.

    ``values[name]`` are codes int16 (planes, *shape) of firing nodes and potentials (*shape) of others; currents are
    summed, and saturated, into the potential that they drive. ``clips[name]`` counts these saturations.
    """

    def __init__(self, network: Network, times: Timeline) -> None:
        self.network, self.times = network, times
        self.values: dict[str, np.ndarray] = {}
        self.clips: dict[str, int] = {}

    def __call__(self, name: str, t: int, message: np.ndarray) -> None:
        """Take a message of node ``name`` at step ``t``."""
        op = self.network[name]
        if op.emits == "spikes":
            if name not in self.values:
                self.values[name] = np.zeros((getattr(op, "spikes", 1), *op.shape), np.int16)
            write_codes(self.values[name], message, t - self.times.windows[name].start)
        else:
            potential = self.values[name] + message if name in self.values else message.copy()
            bits = getattr(op, "state_bits", 0)
            if bits and (clips := saturated(potential, bits)):
                self.clips[name] = self.clips.get(name, 0) + clips
            self.values[name] = saturate(potential, bits) if bits else potential


def write_codes(codes: np.ndarray, signs: np.ndarray, k: int) -> None:
    """Enter the spikes of step k, int8 signs (*shape), into the first free plane of codes (planes, *shape)."""
    left = signs.astype(bool)
    for plane in codes:
        free = left & (plane == 0)
        plane[free] = signs[free] * (k + 1)
        left &= ~free


def step_through(
    network: Network, times: Timeline, x: np.ndarray, record: Record | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """One sample, a graded input (1, *shape), stepped in this process.

    Returns:
        The readout's potentials, and how many complete potentials nodes have clipped, where they have; what clips currents on
        their way is for ``record`` to count.
    """
    group = Group(network, times, list(network.nodes), [Network.INPUT], network.output, record)
    group.reset()
    result: np.ndarray | None = None
    for t in range(times.period):
        result = group.step(t, [x if t == 0 else None])
    assert result is not None
    return result, group.clips()
