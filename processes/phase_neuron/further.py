"""Further spikes of a neuron of a nonlinear function: thresholds on its potential by what it has sent.

Nothing is subtracted: having sent A (the sum of its spikes), it goes on with + at the first later k with f(v) >= s (A + m_k)
and with - at f(v) <= s (A - m_k), which are conditions on v.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from processes.codebook import Intervals, intervals
from processes.phase_code import PhaseCode
from processes.phase_neuron.activations import FAR, activation
from processes.prefixes import Prefix, in_rows, may_follow, of_rows, sums

NEVER_FIRES = np.array([np.inf, -np.inf, np.inf, -np.inf])  # (above, below, lo, hi)
WIDER = np.array([-1, 1, -1, 1])  # direction in which moving (above, below, lo, hi) lets more potentials fire


class Response(NamedTuple):
    """Spikes of neurons of one scale: ``intervals`` of v in real units, and ``after``, tables (4, T) by prefix.

    Only prefixes after which a neuron may fire again have a table.
    """

    intervals: Intervals
    after: dict[Prefix, np.ndarray]


def root_tables(function: str, scale: np.ndarray, code: PhaseCode) -> np.ndarray:
    """First spikes' (pos, lo, hi) in real units for scales (P,), (3, P, T).

    pos_k = f^-1(s m_k), [lo_k, hi_k] = {v: f(v) <= -s m_k}. Infinite entries mean never (pos, hi) or no bound (lo).
    """
    target = scale[:, None] * code.midpoints
    if function == "identity":
        return np.stack([target, np.full_like(target, -np.inf), -target])
    f = activation(function)
    return np.stack([f.rises_to(target), *f.band(-target)])


@lru_cache(maxsize=256)
def response(function: str, scale: float, code: PhaseCode, spikes: int) -> Response:
    """Spikes of neurons that compute ``function`` at one scale, as a function of their potential."""
    found: dict[Prefix, np.ndarray] = {}
    f = activation(function)

    def after(prefixes: list[Prefix], ends: np.ndarray) -> np.ndarray:
        if prefixes == [()]:
            pos, lo, hi = root_tables(function, np.array([scale]), code)[:, 0]
            return np.stack([pos, np.full_like(pos, -np.inf), lo, hi])[None]
        sent = sums(prefixes, code.levels)[:, None]
        turn = f.argmin if np.isfinite(f.argmin) else FAR
        reached = f.numpy(np.clip(np.column_stack([ends, np.clip(turn, *ends.T)]), -FAR, FAR))
        later = may_follow(prefixes, np.abs(reached / scale - sent).max(1), code.midpoints)
        up, down = (scale * (sent + z * code.midpoints)[later] for z in (1, -1))
        tables = np.empty((len(prefixes), 4, code.steps))
        tables[:] = NEVER_FIRES[:, None]
        for i, entries in enumerate((f.rises_to(up), f.falls_to(up), *f.band(down))):
            tables[:, i][later] = np.where(np.abs(entries) > FAR / 2, np.copysign(np.inf, entries), entries)
        for prefix, table, goes_on in zip(prefixes, tables, later.any(1), strict=True):
            if goes_on:  # a prefix may be sent on both sides of f's minimum: keep the wider thresholds
                known = found.setdefault(prefix, table)
                found[prefix] = np.where(WIDER[:, None] > 0, np.maximum(known, table), np.minimum(known, table))
        return tables

    return Response(intervals(after, code.steps, spikes), found)


def further_tables(function: str, scales: np.ndarray, code: PhaseCode, spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes, int16 (rows, spikes - 1), 0 where fewer codes were sent, and tables in real units (scales, rows, 4, T).

    A table holds (above, below, lo, hi) by step: fire + with v >= above_k or v <= below_k and - with lo_k <= v <= hi_k;
    infinite entries mean never, or no bound. Row 0 is for neurons that do not go on, and never fires.
    """
    responses = [response(function, float(scale), code, spikes).after for scale in scales]
    prefixes = in_rows(set().union(*responses), spikes - 1)
    never = np.repeat(NEVER_FIRES[:, None], code.steps, 1)
    return prefixes, np.array([[own.get(prefix, never) for prefix in of_rows(prefixes)] for own in responses])
