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
    """``size`` slots of one array each, and per slot whether the message is more than silence."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, size: int) -> None:
        self.shape, self.dtype, self.size = tuple(shape), np.dtype(dtype), size
        count = math.prod(self.shape)
        memory = mmap.mmap(-1, max(1, count * self.dtype.itemsize * size))
        self.slots = np.frombuffer(memory, self.dtype, count * size).reshape(size, *self.shape)
        self.spoken = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self.free, self.filled = Semaphore(size), Semaphore(0)


class RingSendPort(CspSendPort):
    """The sending end."""

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
        """Send ``data``, None for zeros; waits while the ring is full."""
        ring = self._ring
        ring.free.acquire()
        if data is not None:
            ring.slots[self._next] = data
        ring.spoken[self._next] = data is not None
        self._next = (self._next + 1) % ring.size
        ring.filled.release()

    def send(self, data: Any) -> None:
        """Send an array, as Lava's own ports do."""
        if data.shape != self._shape:
            raise AssertionError(f"a message of shape {data.shape} on a channel of shape {self._shape}")
        self.give(data)


class RingRecvPort(CspRecvPort):
    """The receiving end."""

    def __init__(self, name: str, ring: Ring) -> None:
        self._name, self._ring, self._next = name, ring, 0
        self._shape, self._dtype, self._size = ring.shape, ring.dtype, ring.size

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to join."""

    def probe(self) -> bool:
        """Whether a message is there."""
        return _probe(self._ring.filled)

    def wait(self, seconds: float) -> bool:
        """Whether a message comes within that time."""
        return _probe(self._ring.filled, seconds)

    def take(self) -> np.ndarray | None:
        """The next message, None if it is silence; waits for it."""
        ring = self._ring
        ring.filled.acquire()
        message = ring.slots[self._next].copy() if ring.spoken[self._next] else None
        self._next = (self._next + 1) % ring.size
        ring.free.release()
        return message

    def recv(self) -> np.ndarray:
        """The next message as an array."""
        message = self.take()
        return np.zeros(self._shape, self._dtype) if message is None else message

    def peek(self) -> np.ndarray:
        """The next message, which stays in the channel; waits for it."""
        ring = self._ring
        ring.filled.acquire()
        ring.filled.release()
        if not ring.spoken[self._next]:
            return np.zeros(self._shape, self._dtype)
        return ring.slots[self._next].copy()


def _probe(semaphore: Any, seconds: float | None = None) -> bool:
    acquired = semaphore.acquire(seconds is not None, seconds)
    if acquired:
        semaphore.release()
    return acquired


class RingChannel(Channel):
    """The pair of ends; built with the arguments that Lava gives its channels."""

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
        """The sending end."""
        return self._source

    @property
    def dst_port(self) -> RingRecvPort:
        """The receiving end."""
        return self._target


def select(self: CspSelector, *channel_actions: tuple[Any, Callable[[], Any]]) -> Any:
    """Stands in for CspSelector.select, which waits for the threads that these channels do not have.

    With one channel to wait for, its reader may as well block in its own ``recv``. Only models with RefPorts
    wait for several.
    """
    if len(channel_actions) == 1:
        return channel_actions[0][1]()
    while True:
        for channel, action in channel_actions:
            if channel.probe():
                return action()
        time.sleep(1e-4)
