"""Codes of WOSS softmax: neurons of a row fire by their distance to the row's winner."""

from __future__ import annotations

import torch

from processes.backends.constants import constant
from processes.backends.tables import RaceTables
from processes.backends.torch.fire import code_type, first, resolve
from processes.backends.torch.lookup import LookUp, look_up

LOWEST = -3e38
"""Least potential of a winner, which stands for it in a row in which no neuron takes part."""


def race(v: torch.Tensor, tables: RaceTables, spikes: int, look_up: LookUp = look_up) -> torch.Tensor:
    """Codes (spikes, N, *shape) of WOSS softmax for rows v (N, *shape) along the last axis; -inf takes no part."""
    folded, steps = v.reshape(-1, *tables.axes), tables.ramp.shape[1]
    distance = folded.amax(-1, keepdim=True).clamp(min=LOWEST) - folded
    if tables.further is None:
        found, unsure = on_ramp(distance, constant(tables.ramp, v.device, v.dtype))
        codes = found.to(code_type(steps))[None]
    else:
        codes, unsure = look_up(distance, None, tables.further.lookup, torch.inf, spikes, code_type(steps))
    flat = distance.reshape(-1)
    resolve(codes, unsure, lambda where: race_codes(flat[where], where, tables, spikes))
    return codes.reshape(spikes, *v.shape)


def on_ramp(distance: torch.Tensor, ramp: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of distances (R, heads, rows, keys) as if thresholds (heads or 1, T) rose evenly; and where wrong, bool.

    The line through the first and the last threshold gives a step, or the one before the right one; comparing with the
    thresholds on both sides shows whether the step is right.
    """
    steps = ramp.shape[1]
    edges = torch.nn.functional.pad(ramp, (1, 0), value=-torch.inf)
    edges = torch.nn.functional.pad(edges, (0, 1), value=torch.inf)
    begin, end = ramp[:, 0, None, None], ramp[:, -1, None, None]
    per_gap = (steps - 1) / (end - begin).clamp(min=1e-30)
    head = torch.arange(len(ramp), device=ramp.device)[:, None, None] * (steps + 2)
    k = ((distance - begin) * per_gap + 0.5).clamp(0, steps).long()
    k += distance > edges.take(head + k + 1)
    unsure = (distance <= edges.take(head + k)) | (distance > edges.take(head + (k + 1).clamp(max=steps + 1)))
    return torch.where(k < steps, k + 1, 0), unsure


def race_codes(distance: torch.Tensor, where: torch.Tensor, tables: RaceTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, n), by the definition, of neurons ``where`` (n,) at distances (n,) from their winners."""
    _, m, d = tables.axes
    ramp = constant(tables.ramp, distance.device, distance.dtype if tables.further is None else torch.float64)
    head = where // (m * d) % len(ramp)
    gap, steps = distance[:, None], ramp.shape[1]
    up = gap <= ramp[head]
    found = [first(up, torch.zeros_like(up), torch.zeros_like(head))]
    if tables.further is None:
        return torch.stack(found)
    after, row_after = (constant(a, distance.device) for a in (tables.further.after, tables.further.row_after))
    row = torch.zeros_like(head)
    while len(found) < spikes:
        sent = found[-1]
        row = row_after[row, sent + steps].long()
        begin = torch.where((sent == 0) | (row == 0), steps, sent.abs())
        found.append(first(gap <= after[head, row, 0], gap >= after[head, row, 1], begin))
    return torch.stack(found)
