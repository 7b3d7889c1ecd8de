"""What a neuron has sent so far, its *prefix*: the codes of its spikes in a window, in their order.

Neurons that subtract nothing go on against thresholds that depend on it. Their tables have a row for every prefix after
which something may still follow, and row 0 for everybody else, who never fires again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Prefix = tuple[int, ...]


def sums(prefixes: list[Prefix], levels: np.ndarray) -> np.ndarray:
    """What the spikes of each prefix are worth, (n,), by levels (T,)."""
    return np.array([sum(np.sign(code) * levels[abs(code) - 1] for code in prefix) for prefix in prefixes])


def may_follow(prefixes: list[Prefix], distance: np.ndarray, midpoints: np.ndarray) -> np.ndarray:
    """Steps (n, T) at which neurons may fire again whose values are at most ``distance`` (n,) from what they have sent."""
    later = np.arange(len(midpoints)) >= np.abs([[prefix[-1]] for prefix in prefixes])
    return later & (distance[:, None] * (1 + 1e-9) >= midpoints)  # a little more than rounding could reach


def in_rows(prefixes: Iterable[Prefix], length: int) -> np.ndarray:
    """Prefixes as rows of ``length`` codes, int16, 0 where fewer were sent; the empty one first."""
    rows = [(), *sorted(set(prefixes) - {()})]
    return np.array([prefix + (0,) * (length - len(prefix)) for prefix in rows], np.int16).reshape(len(rows), length)


def of_rows(rows: np.ndarray) -> list[Prefix]:
    """The prefixes of :func:`in_rows`."""
    return [tuple(code for code in row if code) for row in rows.tolist()]


def rows_after(rows: np.ndarray, steps: int) -> np.ndarray:
    """Row (rows, 2T + 1) that a neuron is in after a code -T .. T in a row, where row 0 stands for nothing sent."""
    number = {prefix: row for row, prefix in enumerate(of_rows(rows))}
    table = np.zeros((len(rows), 2 * steps + 1), np.int32)
    for prefix, row in number.items():
        if prefix and prefix[:-1] in number:
            table[number[prefix[:-1]], prefix[-1] + steps] = row
    return table
