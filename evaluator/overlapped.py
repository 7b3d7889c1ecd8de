"""Steps several samples at once: each node has one stepper for each set of state, which samples use in turn.

At step g of the run, sample s is at its own step g - s * interval. That the interval is wide enough is checked: the run
ends with :class:`Occupied` if a stepper would have to hold two samples, or a node to send for two at one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.interval import Overlap
from evaluator.stepping import Recorder, broadcast_of
from evaluator.timeline import Timeline
from processes.network import Network, Route
from processes.operation import Stepper


class Occupied(RuntimeError):
    """A node was asked to hold two samples in one set of state, or to send for two samples at one step."""


@dataclass
class StateSet:
    """One set of a node's state.

    Attributes:
        node: the node's name, for messages.
        stepper: holds the state.
        sample: number of the sample that is held, -1 before the first.
        step: step of the run at which that sample last used the set.
    """

    node: str
    stepper: Stepper
    sample: int = -1
    step: int = -1

    def take(self, sample: int, step: int) -> Stepper:
        """The stepper for ``sample`` at ``step`` of the run, in the state that the sample left; reset for a new sample.

        Raises:
            Occupied: another sample still uses this set.
        """
        if sample != self.sample:
            if sample < self.sample or step == self.step:
                two = sorted((sample, self.sample))
                raise Occupied(
                    f"'{self.node}' is asked to hold samples {two[0]} and {two[1]} in one set of state at step {step}; give "
                    "it another set or the samples a larger interval"
                )
            self.stepper.reset()
            self.sample = sample
        self.step = step
        return self.stepper


@dataclass
class Flight:
    """A sample under way: its number, its graded input (1, *shape), and the recorder of its values."""

    number: int
    x: np.ndarray
    recorder: Recorder


class SharedGroup:
    """Steps the nodes ``names`` of a network together, for every sample under way.

    The messages of ``sources``, nodes outside the group, are passed to :meth:`step`, which returns that of the node
    ``sink``. :class:`evaluator.stepping.Group` does this for one sample at a time.
    """

    def __init__(
        self, network: Network, times: Timeline, plan: Overlap, names: Sequence[str], sources: Sequence[str], sink: str
    ) -> None:
        self.network, self.sources, self.sink = network, sources, sink
        self.sets = {
            name: [
                StateSet(name, network[name].stepper(times.windows[name], [times.windows[s] for s in own]))
                for _ in range(plan.sets.get(name, 1))
            ]
            for name, own in ((name, network.nodes[name].inputs) for name in names)
        }
        self.operands = {
            name: (*network.nodes[name].inputs, *(s for s in sources if s == broadcast_of(name))) for name in names
        }
        self.spans = {name: times.span(network, name) for name in names}
        self.active = [
            [n for n, span in self.spans.items() if span.start <= t < span.stop] for t in range(times.period)
        ]
        self.sent = dict.fromkeys(names, -1)
        """Step of the run at which each node last sent."""

    def step(
        self, number: int, t: int, step: int, arrived: Sequence[np.ndarray | None], recorder: Recorder
    ) -> np.ndarray | None:
        """Take step ``t`` of a sample in every node that it occupies.

        Args:
            number: of the sample.
            t: step of the sample.
            step: step of the run.
            arrived: messages of ``sources``, None for silence.
            recorder: records the messages of all nodes but routes, and their clips.

        Returns:
            The message of the sink, None for silence.

        Raises:
            Occupied: a node still holds another sample in the same set of state, or has sent for another at this step.
        """
        messages = dict(zip(self.sources, arrived, strict=True))
        for name in self.active[t]:
            sets = self.sets[name]
            stepper = sets[number % len(sets)].take(number, step)
            message = stepper.step(t, [messages.get(source) for source in self.operands[name]])
            if message is not None:
                self._send(name, step)
                messages[name] = message
                if not isinstance(self.network[name], Route):
                    recorder(name, t, message)
            if t == self.spans[name].stop - 1:
                recorder.count(name, getattr(stepper, "clips", 0))
        return messages.get(self.sink)

    def _send(self, name: str, step: int) -> None:
        if self.sent[name] == step:
            raise Occupied(
                f"'{name}' is asked to send for two samples at step {step}; give the samples a larger interval"
            )
        self.sent[name] = step


class Overlapped:
    """Steps samples through a whole network, one every ``plan.interval`` steps."""

    def __init__(self, network: Network, times: Timeline, plan: Overlap) -> None:
        self.network, self.times, self.plan = network, times, plan
        self.group = SharedGroup(network, times, plan, list(network.nodes), [Network.INPUT], network.output)

    def run(self, graded: np.ndarray) -> Iterator[Recorder]:
        """Step graded inputs (N, 1, *shape); yields the recorder of each sample, in order, once its answer is complete.

        Raises:
            Occupied: the interval of the plan is too small for its sets of state.
        """
        flights: list[Flight] = []
        for step in range((len(graded) - 1) * self.plan.interval + self.times.period):
            number, late = divmod(step, self.plan.interval)
            if late == 0 and number < len(graded):
                flights.append(Flight(number, graded[number], Recorder(self.network, self.times)))
            for flight in flights:
                t = step - flight.number * self.plan.interval
                self.group.step(flight.number, t, step, [flight.x if t == 0 else None], flight.recorder)
            if step - flights[0].number * self.plan.interval == self.times.period - 1:
                yield flights.pop(0).recorder
