"""A Lava channel without threads, files or names: a ring in anonymous shared memory between two semaphores.

Lava's own PyPyChannel starts a thread at each end, so every message wakes two Python threads, and takes a
named shared-memory segment, which stays behind when its manager dies. Lava forks its Processes, so memory
mapped before the fork reaches them without a name, costs no file descriptor and goes with the last of them.
"""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Callable
from multiprocessing import Semaphore
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSelector, CspSendPort


class Ring:
    """A buffer of ``size`` slots of one array each; ``spoken`` flags slots with a message, the others are silence."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, size: int) -> None:
        self.shape, self.dtype, self.size = tuple(shape), np.dtype(dtype), size
        count = math.prod(self.shape)
        memory = mmap.mmap(-1, max(1, count * self.dtype.itemsize * size))
        self.slots = np.frombuffer(memory, self.dtype, count * size).reshape(size, *self.shape)
        self.spoken = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self.free, self.filled = Semaphore(size), Semaphore(0)


class RingSendPort(CspSendPort):
    """The sending end of a :class:`RingChannel`."""

    def __init__(self, name: str, ring: Ring) -> None:
        self._name, self._ring, self._next = name, ring, 0
        self._shape, self._dtype, self._size = ring.shape, ring.dtype, ring.size

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to join."""

    def probe(self) -> bool:
        """Whether a message can be sent without waiting."""
        return _probe(self._ring.free)

    def give(self, data: np.ndarray | None) -> None:
        """Send an array, or None for silence (zeros), which copies nothing; waits while the ring is full."""
        ring = self._ring
        ring.free.acquire()
        if data is not None:
            ring.slots[self._next] = data
        ring.spoken[self._next] = data is not None
        self._next = (self._next + 1) % ring.size
        ring.filled.release()

    def send(self, data: Any) -> None:
        """Send an array, as Lava's own ports do; AssertionError if it does not have the channel's shape."""
        if data.shape != self._shape:
            raise AssertionError(f"a message of shape {data.shape} on a channel of shape {self._shape}")
        self.give(data)


class RingRecvPort(CspRecvPort):
    """The receiving end of a :class:`RingChannel`."""

    def __init__(self, name: str, ring: Ring) -> None:
        self._name, self._ring, self._next = name, ring, 0
        self._shape, self._dtype, self._size = ring.shape, ring.dtype, ring.size

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to join."""

    def probe(self) -> bool:
        """Whether a message can be received without waiting."""
        return _probe(self._ring.filled)

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds`` for a message, and return whether one is there; it stays in the channel."""
        return _probe(self._ring.filled, seconds)

    def take(self) -> np.ndarray | None:
        """Wait for the next message, remove it from the channel and return it; None if it is silence."""
        ring = self._ring
        ring.filled.acquire()
        message = ring.slots[self._next].copy() if ring.spoken[self._next] else None
        self._next = (self._next + 1) % ring.size
        ring.free.release()
        return message

    def recv(self) -> np.ndarray:
        """Wait for the next message and return it as an array, zeros for silence, as Lava's own ports do."""
        message = self.take()
        return np.zeros(self._shape, self._dtype) if message is None else message

    def peek(self) -> np.ndarray:
        """Wait for the next message and return it as an array without removing it from the channel."""
        ring = self._ring
        ring.filled.acquire()
        ring.filled.release()
        if not ring.spoken[self._next]:
            return np.zeros(self._shape, self._dtype)
        return ring.slots[self._next].copy()


def _probe(semaphore: Any, seconds: float | None = None) -> bool:
    """Whether a semaphore is above 0, at once or within ``seconds``; its count is left as it was."""
    acquired = semaphore.acquire(seconds is not None, seconds)
    if acquired:
        semaphore.release()
    return acquired


class RingChannel(Channel):
    """The two ends of one :class:`Ring`, constructed with the arguments that Lava passes to its channel classes."""

    def __init__(
        self,
        message_infrastructure: Any,
        src_name: str,
        dst_name: str,
        shape: Any,
        dtype: Any,
        size: int,
        *watchdogs: Any,
    ) -> None:
        ring = Ring(shape, dtype, size)
        self._source, self._target = RingSendPort(src_name, ring), RingRecvPort(dst_name, ring)

    @property
    def src_port(self) -> RingSendPort:
        """The sending port, as Lava's builders ask for it."""
        return self._source

    @property
    def dst_port(self) -> RingRecvPort:
        """The receiving port, as Lava's builders ask for it."""
        return self._target


def select(self: CspSelector, *channel_actions: tuple[Any, Callable[[], Any]]) -> Any:
    """Wait until one of several (channel, action) pairs has a message, then call its action and return the result.

    Replaces CspSelector.select, which waits for threads that these channels do not have. A single channel's action is
    called at once and blocks in its own ``recv``; only models with RefPorts wait for several, which are polled.
    """
    if len(channel_actions) == 1:
        return channel_actions[0][1]()
    while True:
        for channel, action in channel_actions:
            if channel.probe():
                return action()
        time.sleep(1e-4)
