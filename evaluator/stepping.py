"""Steps a set of nodes together, as one Lava Process per block or a plain loop does.

At each step only the nodes whose span contains it are called, in topological order; a message lives for one step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evaluator.timeline import Timeline
from processes.kernels.messages import enter_all
from processes.kernels.stepped import enter_codes, integrate
from processes.network import Network, Route
from processes.operation import Operation
from processes.sent import Sent

Record = Callable[[str, int, np.ndarray], None]
"""Called with a node's name, the step and the message that the node sends."""


class Turn(NamedTuple):
    """A node that is active at a step.

    Attributes:
        name: of the node.
        step: its stepper's ``step``.
        operands: names of its operands.
        begin: the step before which it is only called when a message arrives.
        recorded: whether its messages are recorded.
    """

    name: str
    step: Callable[[int, list[np.ndarray | None]], np.ndarray | None]
    operands: tuple[str, ...]
    begin: int
    recorded: bool


def broadcast_of(product: str) -> str:
    """Name of the node that broadcasts the global traces of a product."""
    return f"{product}.trace"


class Group:
    """Steps the nodes ``names`` of a network together, one sample at a time.

    A group has the interface of a :class:`processes.operation.Stepper`: its operands are the nodes ``sources`` outside
    the group, its output is the message of the node ``sink``. ``record`` receives the messages of all nodes but routes.
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
        self.period = times.period
        self.active: list[list[Turn]] = [[] for _ in range(times.period)]
        for name in names:
            span = times.span(network, name)
            # before a node's window, or the exchange that finds a softmax row's largest, it only receives
            begin = times.windows[name].start - getattr(network[name], "exchange_steps", 0)
            turn = Turn(name, self.steppers[name].step, self.operands[name], begin, name in self.recorded)
            for t in range(span.start, span.stop):  # wiring and all, in topological order
                self.active[t].append(turn)

    def reset(self) -> None:
        """Forget the previous sample."""
        for stepper in self.steppers.values():
            stepper.reset()

    def clips(self) -> dict[str, int]:
        """How often nodes clipped complete potentials in this sample, by name; nodes without clips are left out."""
        found = {name: getattr(stepper, "clips", 0) for name, stepper in self.steppers.items()}
        return {name: clips for name, clips in found.items() if clips}

    def step(self, t: int, messages: list[np.ndarray | None]) -> np.ndarray | None:
        """Take step ``t`` of every active node; returns the sink's message, None for silence."""
        sent = dict(zip(self.sources, messages, strict=True))
        receive, record = sent.get, self.record
        for name, step, operands, begin, recorded in self.active[t]:
            arrived = [receive(operand) for operand in operands]
            if t < begin and all(message is None for message in arrived):
                continue
            message = step(t, arrived)
            if message is not None:
                sent[name] = message
                if recorded and record is not None:
                    record(name, t, message)
        return sent.get(self.sink)

    def sample(self, x: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """Take all steps of a graded input (1, *shape) to the one source; returns the sink's last message and clips."""
        self.reset()
        result: np.ndarray | None = None
        for t in range(self.period):
            result = self.step(t, [x if t == 0 else None])
        assert result is not None
        return result, self.clips()


class Recorder:
    """Collects the messages of one sample into the arrays that the closed form also produces.

    Attributes:
        values: by node, codes int16 (planes, *shape) if it fires, else potentials (*shape); currents are summed, and
            saturated, into the potential that they drive. Nodes that sent nothing are missing.
        clips: by node, these saturations, and those that :meth:`count` adds.
    """

    def __init__(self, network: Network, times: Timeline) -> None:
        self.values: dict[str, np.ndarray] = {}
        self.clips: dict[str, int] = {}
        self.flat: dict[str, np.ndarray] = {}
        self.kinds = {name: _kind(node.op, times.windows[name].start) for name, node in network}

    def __call__(self, name: str, t: int, message: np.ndarray) -> None:
        """Record a message that node ``name`` sends at step ``t``."""
        shape, start, limit = self.kinds[name]
        if name not in self.values:
            values = self.values[name] = np.zeros(shape, message.dtype if start is None else np.int16)
            self.flat[name] = values.reshape(-1 if start is None else (len(values), -1))
        if start is not None:
            enter_codes(self.flat[name], message.reshape(-1), t - start)
        else:
            self.count(name, integrate(self.flat[name], message.reshape(-1), limit))

    def take(self, name: str, sent: Sent) -> None:
        """Record all messages of node ``name`` in a sample."""
        shape, start, limit = self.kinds[name]
        if start is None:
            self.values[name], clips = sent.total(limit)
            self.count(name, clips)
            return
        values = self.values[name] = np.zeros(shape, np.int16)
        enter_all(values.reshape(len(values), -1), *sent.events, sent.steps - start)

    def count(self, name: str, clips: int) -> None:
        """Add ``clips`` to the count of node ``name``."""
        if clips:
            self.clips[name] = self.clips.get(name, 0) + clips


def _kind(op: Operation, start: int) -> tuple[tuple[int, ...], int | None, int | None]:
    """How an operation is recorded: (shape of its values, start of its window, limit of its potentials).

    The start is None for an operation that does not fire; the limit is None for one that does, and in floating point.
    """
    if op.emits == "spikes":
        return (getattr(op, "spikes", 1), *op.shape), start, None
    bits = getattr(op, "state_bits", 0)
    return op.shape, None, 2 ** (bits - 1) - 1 if bits else None


def step_through(
    network: Network, times: Timeline, x: np.ndarray, record: Record | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """Step one graded input (1, *shape) through a whole network in this process.

    Returns:
        The readout's potentials, and how often nodes clipped complete potentials, by name. Clips in the integration of
        currents are not included; ``record`` has to count them.
    """
    return Group(network, times, list(network.nodes), [Network.INPUT], network.output, record).sample(x)
