"""When a neuron of softmax fires again.

Nothing is subtracted: having sent A, it goes on with + at the first later j with e >= A + m_j and with - at e <= A - m_j, which
are conditions on the distance -ln e to the row's winner, whatever the winner is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from processes.codebook import Pieces, pieces
from processes.phase_code import PhaseCode
from processes.prefixes import Prefix, in_rows, may_follow, of_rows, sums


@lru_cache(maxsize=256)
def course(code: PhaseCode, spikes: int) -> tuple[Pieces, dict[Prefix, np.ndarray]]:
    """Spikes by -ln e, and thresholds (4, T), as of :func:`processes.codebook.pieces`, after prefixes that go on."""
    found: dict[Prefix, np.ndarray] = {}
    never = np.full(code.steps, np.inf)

    def after(prefixes: list[Prefix], ends: np.ndarray) -> np.ndarray:
        if prefixes == [()]:
            return np.stack([never, (np.arange(code.steps) + 0.5) * np.log(code.base), never, never])[None]
        sent = sums(prefixes, code.levels)[:, None]
        later = may_follow(prefixes, np.abs(np.exp(-ends) - sent).max(1), code.midpoints)
        with np.errstate(invalid="ignore", divide="ignore"):
            plus, minus = (np.where(later, -np.log(sent + z * code.midpoints), -z * np.inf) for z in (1, -1))
        minus = np.where(np.isnan(minus), np.inf, minus)  # e is never below 0
        tables = np.stack([np.broadcast_to(never, plus.shape), plus, minus, np.broadcast_to(never, plus.shape)], 1)
        found.update((prefix, table) for prefix, table, on in zip(prefixes, tables, later.any(1), strict=True) if on)
        return tables

    return pieces(after, code.steps, spikes), found


def further_thresholds(code: PhaseCode, spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes (rows, spikes - 1) of neurons that go on, and -ln e at which they do, float64 (rows, 2, T).

    They fire + from the first down and - from the second up, at later steps than before. Row 0 never does.
    """
    known = course(code, spikes)[1]
    prefixes = in_rows(known, spikes - 1)
    never = np.stack([np.full(code.steps, -np.inf), np.full(code.steps, np.inf)])
    return prefixes, np.stack([known[prefix][1:3] if prefix else never for prefix in of_rows(prefixes)])
