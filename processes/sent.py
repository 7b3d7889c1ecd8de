"""What nodes send in a whole sample, for steppers that take all steps of a sample in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from processes.kernels.messages import events_of, events_of_codes, integrate_all, signs_of
from processes.operation import Stepper, Window

Total = tuple[np.ndarray, int]
"""A potential (*shape) into which every message has been integrated, and how often it was clipped on the way."""

Events = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Spikes in order of time and place: begin, int64 (K + 1,), the index of each message's first spike and then the number
of all; places, int32; signs, int8."""


class Sent:
    """Messages (K, *shape) and their ``steps`` (K,), ascending: the steps of the sample at which anything is sent."""

    def __init__(self, steps: np.ndarray, messages: np.ndarray) -> None:
        self.steps, self.messages, self.last = steps, messages, int(steps[-1])
        self._totals: dict[int | None, Total] = {}

    def total(self, limit: int | None) -> Total:
        """Integrate all messages, clipping to +-``limit`` (None: never) after each; the array is shared."""
        if limit not in self._totals:
            self._totals[limit] = self._integrate(limit)
        return self._totals[limit]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        return self.messages.shape[1:]

    @property
    def first(self) -> np.ndarray:
        """The first message, (*shape)."""
        return self.messages[0]

    @cached_property
    def events(self) -> Events:
        """The spikes in all messages, which have to be signs."""
        signs = self.messages.reshape(len(self.messages), -1)
        begin, places = np.empty(len(signs) + 1, np.int64), np.empty(signs.size + 1, np.int32)
        values = np.empty(signs.size + 1, np.int8)
        events_of(signs, begin, places, values)
        return begin, places, values

    def _integrate(self, limit: int | None) -> Total:
        v = np.zeros(self.messages.shape[1:], self.messages.dtype)
        return v, integrate_all(v.reshape(-1), self.messages.reshape(len(self.messages), -1), limit)


class Once(Sent):
    """Spikes of neurons that fire at most once, given as codes (n,), not all 0; messages are made when first asked for.

    Args:
        codes: 0 or +-(k+1) for a spike at step ``start`` + k.
        start: first step of the window.
        shape: shape of one message, of n neurons.
        period: steps of the window.
    """

    def __init__(self, codes: np.ndarray, start: int, shape: tuple[int, ...], period: int) -> None:
        self.codes, self.start, self._shape, self.period = codes, start, shape, period
        steps, begin = np.empty((2, period + 1), np.int64)
        places, values = np.empty(len(codes), np.int32), np.empty(len(codes), np.int8)
        count = events_of_codes(codes, steps[:period], begin, places, values)
        self.steps, self.events = steps[:count] + start, (begin[: count + 1], places, values)
        self.last = int(self.steps[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one message."""
        return self._shape

    @cached_property
    def messages(self) -> np.ndarray:  # type: ignore[override]
        """The messages as signs, int8 (K, *shape)."""
        signs = np.zeros((len(self.steps), len(self.codes)), np.int8)
        signs_of(*self.events, signs)
        return signs.reshape(-1, *self.shape)

    @property
    def first(self) -> np.ndarray:
        """The first message, (*shape)."""
        begin, places, values = self.events
        signs = np.zeros(len(self.codes), np.int8)
        signs[places[: begin[1]]] = values[: begin[1]]
        return signs.reshape(self.shape)

    @staticmethod
    def of(codes: np.ndarray, start: int, shape: tuple[int, ...], period: int) -> Once | None:
        """Spikes in the ``period`` steps from ``start``, None if there are none."""
        return Once(codes, start, shape, period) if codes.any() else None


class Currents(Sent):
    """Currents that are integrated as they arise; messages are made, step by step, only when first asked for.

    Args:
        last: step after which no message comes.
        integrate: integrates all currents, as :meth:`Sent.total`.
        stepwise: makes the messages.
    """

    def __init__(self, last: int, integrate: Callable[[int | None], Total], stepwise: Stepwise) -> None:
        self.last, self._integrated, self._stepwise = int(last), integrate, stepwise
        self._totals: dict[int | None, Total] = {}

    def _integrate(self, limit: int | None) -> Total:
        return self._integrated(limit)

    @cached_property
    def _sent(self) -> Sent:
        sent = self._stepwise()
        assert sent is not None
        return sent

    @property
    def steps(self) -> np.ndarray:  # type: ignore[override]
        """Steps of the messages, (K,)."""
        return self._sent.steps

    @property
    def messages(self) -> np.ndarray:  # type: ignore[override]
        """The messages, (K, *shape)."""
        return self._sent.messages


Operands = Sequence[Sent | None]
"""What each operand has sent; None if nothing in the whole sample."""
Stepwise = Callable[[], Sent | None]
"""Steps through the sample from its beginning, one step at a time: always correct, for what has no faster way."""


@runtime_checkable
class Through(Stepper, Protocol):
    """A stepper that can also take all steps of a sample in one call, as ``reset`` and then every ``step`` would."""

    def through(self, operands: Operands, stepwise: Stepwise) -> Sent | None:
        """What is sent in the whole sample, None if nothing; ``clips`` are counted as by single steps."""


def stepwise(stepper: Stepper, span: Window, begin: int, operands: Operands) -> Sent | None:
    """Reset a stepper, take every step of ``span`` and return what is sent, None if nothing.

    Before step ``begin``, steps in which nothing arrives are left out.
    """
    stepper.reset()
    arriving = [{} if sent is None else dict(zip(sent.steps.tolist(), sent.messages, strict=True)) for sent in operands]
    found: dict[int, np.ndarray] = {}
    for t in range(span.start, span.stop):
        arrived = [messages.get(t) for messages in arriving]
        if t < begin and all(message is None for message in arrived):
            continue
        message = stepper.step(t, arrived)
        if message is not None:
            found[t] = message
    return Sent(np.array(list(found)), np.stack(list(found.values()))) if found else None


def complete(operands: Operands, start: int) -> bool:
    """Whether nothing arrives after step ``start``, so that the potentials there are final."""
    return all(sent is None or sent.last <= start for sent in operands)
