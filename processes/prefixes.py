"""What a neuron has sent so far, its *prefix*: the codes of its spikes in a window, in their order.

Neurons that subtract nothing from their potential compare it with thresholds that depend on the prefix. Their tables
have a row for every prefix after which another spike may follow, and row 0 for all others, after which a neuron never
fires.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Prefix = tuple[int, ...]


def sums(prefixes: list[Prefix], levels: np.ndarray) -> np.ndarray:
    """Decoded value of each prefix, (n,): the sum of sign * level_k over its spikes, with levels (T,)."""
    return np.array([sum(np.sign(code) * levels[abs(code) - 1] for code in prefix) for prefix in prefixes])


def may_follow(prefixes: list[Prefix], distance: np.ndarray, midpoints: np.ndarray) -> np.ndarray:
    """Steps at which a spike may follow each prefix, bool (n, T): later than its last spike, where distance >= m_k.

    ``distance`` (n,) is the most by which a neuron's value may differ from what it has sent; ``midpoints`` (T,) are
    m_k.
    """
    later = np.arange(len(midpoints)) >= np.abs([[prefix[-1]] for prefix in prefixes])
    return later & (distance[:, None] * (1 + 1e-9) >= midpoints)  # the tolerance exceeds any rounding error


def in_rows(prefixes: Iterable[Prefix], length: int) -> np.ndarray:
    """Distinct prefixes as rows of ``length`` codes, int16, filled up with 0; the empty prefix is row 0."""
    rows = [(), *sorted(set(prefixes) - {()})]
    return np.array([prefix + (0,) * (length - len(prefix)) for prefix in rows], np.int16).reshape(len(rows), length)


def of_rows(rows: np.ndarray) -> list[Prefix]:
    """The prefixes that rows of :func:`in_rows` stand for, without the zeros."""
    return [tuple(code for code in row if code) for row in rows.tolist()]


def rows_after(rows: np.ndarray, steps: int) -> np.ndarray:
    """Row of the tables after a spike, int32 (rows, 2T + 1), by the present row and by the code c sent (column c + T).

    As a present row, 0 stands for the empty prefix; as an entry, for prefixes after which a neuron never fires.
    """
    number = {prefix: row for row, prefix in enumerate(of_rows(rows))}
    table = np.zeros((len(rows), 2 * steps + 1), np.int32)
    for prefix, row in number.items():
        if prefix and prefix[:-1] in number:
            table[number[prefix[:-1]], prefix[-1] + steps] = row
    return table
