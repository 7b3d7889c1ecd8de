"""Several samples stepped at once: each node has as many steppers as sets of state, which samples take in turn.

At step g of the run, sample s is at its own step g - s * interval. Whether the interval is wide enough is not believed: a
stepper that is asked to hold a second sample, or a node that is asked to send for two, ends the run.
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
    """A node was asked to hold, or to send, two samples at once."""


@dataclass
class StateSet:
    """One set of a node's state.

    Attributes:
        sample: whom it holds, -1 at first.
        step: of the run, at which that sample last used it.
    """

    node: str
    stepper: Stepper
    sample: int = -1
    step: int = -1

    def take(self, sample: int, step: int) -> Stepper:
        """The stepper, in the state that ``sample`` has left it in; one that comes anew finds it reset.

        Raises:
            Occupied: the sample before it still uses this set.
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
    """A sample under way: its graded input, and what is recorded of it."""

    number: int
    x: np.ndarray
    recorder: Recorder


class SharedGroup:
    """Nodes ``names`` of a network, stepped together in one place for every sample under way.

    What comes from outside (``sources``) is given, what goes outside (``sink``) is returned, as by
    :class:`evaluator.stepping.Group`.
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
        """Step ``t`` of sample ``number``, the run's ``step``, of every node that it occupies; the sink's message.

        Raises:
            Occupied: a node still holds another sample, or sends for one.
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
        """What is recorded of each of the graded inputs (N, 1, *shape), in order, when its answer is there."""
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
