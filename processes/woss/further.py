"""Further spikes of softmax's neurons: thresholds on the distance to the row's winner by what a neuron has sent.

Nothing is subtracted: having sent A, a neuron fires + at the first later j with e >= A + m_j and - with e <= A - m_j,
which are conditions on the distance -ln e to the row's winner, whatever the winner is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from processes.codebook import Intervals, intervals
from processes.phase_code import PhaseCode
from processes.prefixes import Prefix, in_rows, may_follow, of_rows, sums


@lru_cache(maxsize=256)
def further_thresholds(code: PhaseCode, spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes (rows, spikes - 1) after which neurons may fire again, and thresholds on -ln e, float64 (rows, 2, T).

    After their last spike neurons fire + up to the first threshold and - from the second on; row 0 never fires.
    """
    found: dict[Prefix, np.ndarray] = {(): np.repeat([[-np.inf], [np.inf]], code.steps, 1)}

    def after(prefixes: list[Prefix], ends: np.ndarray) -> np.ndarray:
        if prefixes == [()]:
            return _below((np.arange(code.steps) + 0.5) * np.log(code.base))[None]
        sent = sums(prefixes, code.levels)[:, None]
        later = may_follow(prefixes, np.abs(np.exp(-ends) - sent).max(1), code.midpoints)
        with np.errstate(invalid="ignore", divide="ignore"):
            plus, minus = (np.where(later, -np.log(sent + z * code.midpoints), -z * np.inf) for z in (1, -1))
        tables = np.stack([plus, np.where(np.isnan(minus), np.inf, minus)], 1)  # NaN where A < m_j: e is never below 0
        found.update((prefix, table) for prefix, table, on in zip(prefixes, tables, later.any(1), strict=True) if on)
        return np.stack([_below(*table) for table in tables])

    intervals(after, code.steps, spikes)
    prefixes = in_rows(found, spikes - 1)
    return prefixes, np.stack([found[prefix] for prefix in of_rows(prefixes)])


def race_intervals(ramp: np.ndarray, prefixes: np.ndarray, after: np.ndarray) -> Intervals:
    """Codes by the distance to the winner: first spikes by ramp (T,), further ones by ``after`` (rows, 2, T)."""
    known = dict(zip(of_rows(prefixes), after, strict=True))

    def thresholds(sent: list[Prefix], _: np.ndarray) -> np.ndarray:
        if sent == [()]:
            return _below(ramp)[None]
        return np.stack([_below(*known.get(prefix, known[()])) for prefix in sent])

    return intervals(thresholds, len(ramp), prefixes.shape[1] + 1)


def _below(plus: np.ndarray, minus: np.ndarray | float = np.inf) -> np.ndarray:
    """Thresholds (above, below, lo, hi), (4, T), of neurons that fire + up to ``plus`` and - from ``minus`` on."""
    never = np.full(len(plus), np.inf)
    return np.stack([never, plus, np.broadcast_to(minus, plus.shape), never])
