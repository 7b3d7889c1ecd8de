"""Memory layout of state and messages: arrays that are never needed at the same time share memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from processes.operation import Window
from targets.c99.kernels.kernel import WIDTHS, Integer

POOLS: dict[Integer, str] = {"int64_t": "wide", "int32_t": "words", "int8_t": "bytes"}
"""Arrays of struct network by the type of their values, the widest first, so that nothing is padded between them."""


@dataclass(frozen=True)
class Need:
    """An array of ``size`` values, needed in the time steps ``steps`` while nodes number ``first`` to ``last`` run."""

    type: Integer
    size: int
    steps: Window
    first: int
    last: int

    def meets(self, other: Need) -> bool:
        """Whether both arrays are needed at the same time, so that they may not share memory."""
        return (
            self.steps.start < other.steps.stop
            and other.steps.start < self.steps.stop
            and self.first <= other.last
            and other.first <= self.last
        )


def layout(needs: Sequence[Need]) -> tuple[list[int], dict[Integer, int]]:
    """Place arrays in one pool for each type, first fit, the largest arrays first.

    Returns:
        The offset of each array in its pool, in the order of ``needs``, and the pools' sizes by type, in values. The
        last pool includes the bytes with which C would pad the struct.
    """
    offsets = [0] * len(needs)
    pools: dict[Integer, int] = dict.fromkeys(POOLS, 0)
    placed: dict[Integer, list[int]] = {kind: [] for kind in POOLS}
    for i in sorted(range(len(needs)), key=lambda i: -needs[i].size):
        need, others = needs[i], placed[needs[i].type]
        taken = sorted((offsets[j], offsets[j] + needs[j].size) for j in others if need.meets(needs[j]))
        for begin, end in taken:
            if offsets[i] + need.size <= begin:
                break
            offsets[i] = max(offsets[i], end)
        others.append(i)
        pools[need.type] = max(pools[need.type], offsets[i] + need.size)
    widths = {kind: WIDTHS[kind].itemsize for kind in POOLS}
    pools["int8_t"] += -sum(widths[kind] * count for kind, count in pools.items()) % widths["int64_t"]
    return offsets, pools
