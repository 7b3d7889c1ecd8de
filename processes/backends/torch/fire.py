"""Codes of phase neurons: by lookup, and where that is unsure by comparing with every threshold of the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import Axes, PhaseTables
from processes.backends.torch.lookup import LookUp, look_up
from processes.phase_code import code_dtype
from processes.thresholds import scaled_entry

CHUNK = 2**20
"""Most neurons whose comparisons with T thresholds are held at a time."""

Define = Callable[[torch.Tensor], torch.Tensor]
"""From flat indices (n,) of neurons in a batch to their codes (planes, n) by the definition."""


def fire(v: torch.Tensor, tables: PhaseTables, spikes: int, look_up: LookUp = look_up) -> torch.Tensor:
    """Codes (spikes, N, *shape) of phase neurons with potentials v (N, *shape)."""
    folded, steps = v.reshape(-1, *tables.axes), tables.thresholds[0].shape[1]
    codes, unsure = look_up(folded, None, tables.lookup, torch.inf, spikes, code_type(steps))
    define = linear_codes if tables.further is None else nonlinear_codes
    resolve(codes, unsure, lambda where: define(folded.reshape(-1)[where], where, tables, spikes))
    return codes.reshape(spikes, *v.shape)


def code_type(steps: int) -> torch.dtype:
    """Narrowest integer type that holds the codes of a window of ``steps`` steps."""
    return torch.int8 if code_dtype(steps) is np.int8 else torch.int16


def resolve(codes: torch.Tensor, unsure: torch.Tensor, define: Define) -> None:
    """Write the definition's codes into codes (planes, ...), in place, where these are unsure (...)."""
    flat, where = codes.reshape(len(codes), -1), unsure.reshape(-1).nonzero()[:, 0]
    for part in where.split(CHUNK):
        flat[:, part] = define(part).to(codes.dtype)


def parameters_of(where: torch.Tensor, axes: Axes, count: int) -> torch.Tensor:
    """Row, of ``count`` rows of parameters, for each flat neuron index in ``where`` (n,); all 0 if there is one row."""
    a, m, d = axes
    return where // (m * d) % a * d + where % d if count > 1 else torch.zeros_like(where)


def first(up: torch.Tensor, down: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
    """Codes (n,) of the first step from ``begin`` (n,) on at which ``up`` (n, T), +, or ``down`` (n, T), -, holds."""
    steps = torch.arange(up.shape[1], device=up.device)
    k = torch.where((up | down) & (steps >= begin[:, None]), steps, len(steps)).amin(1)
    fired = k < len(steps)
    sign = torch.where(up.gather(1, (k * fired)[:, None])[:, 0], 1, -1)
    return fired * sign * (k + 1)


def linear_codes(v: torch.Tensor, where: torch.Tensor, tables: PhaseTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, n), by the definition, of neurons ``where`` with potentials v (n,) that subtract their spikes."""
    pos, lo, hi, subtract = (constant(table, v.device) for table in tables.thresholds)
    row = parameters_of(where, tables.axes, len(pos))
    rest = v.double()[:, None]
    found = [first(rest >= pos[row], (lo[row] <= rest) & (rest <= hi[row]), torch.zeros_like(row))]
    while len(found) < spikes:
        sent = found[-1]
        taken = subtract[row].gather(1, (sent.abs()[:, None] - 1).clamp(min=0))
        rest = rest - sent.sign()[:, None] * taken
        begin = torch.where(sent == 0, pos.shape[1], sent.abs())
        found.append(first(rest >= pos[row], rest <= -pos[row], begin))
    return torch.stack(found)


def nonlinear_codes(v: torch.Tensor, where: torch.Tensor, tables: PhaseTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, n), by the definition, of neurons ``where`` with potentials v (n,) and thresholds by prefix."""
    assert tables.further is not None
    further, after, kind, factor = (constant(array, v.device) for array in tables.further[:4])
    shift = None if tables.further.shift is None else constant(tables.further.shift, v.device)
    pos, lo, hi, _ = (constant(table, v.device) for table in tables.thresholds)
    neuron = parameters_of(where, tables.axes, len(pos))
    y, steps = v.double()[:, None], pos.shape[1]
    found = [first(y >= pos[neuron], (lo[neuron] <= y) & (y <= hi[neuron]), torch.zeros_like(neuron))]
    row = torch.zeros_like(neuron)
    while len(found) < spikes:
        sent = found[-1]
        row = after[row, sent + steps].long()
        begin = torch.where((sent == 0) | (row == 0), steps, sent.abs())
        f, s = factor[neuron][:, None], None if shift is None else shift[neuron][:, None]
        above, below, low, high = (scaled_entry(further[kind[neuron].long(), row, i], f, s) for i in range(4))
        found.append(first((y >= above) | (y <= below), (low <= y) & (y <= high), begin))
    return torch.stack(found)
