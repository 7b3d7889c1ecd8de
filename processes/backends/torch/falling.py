"""Codes of neurons that divide by moving their threshold: softmax's division and LayerNorm's."""

from __future__ import annotations

import torch

from processes.backends.constants import constant
from processes.backends.tables import FallingTables
from processes.backends.torch.fire import code_type, first, parameters_of, resolve
from processes.backends.torch.lookup import LookUp, look_up
from processes.fixed import shift_toward_zero
from processes.thresholds import level_entry

SMALLEST = 1e-30
"""Least divisor, in place of smaller factors; neurons of factor 0 are unsure by lookup and silent by definition."""


def fire_falling(
    v: torch.Tensor, factor: torch.Tensor, tables: FallingTables, spikes: int, look_up: LookUp = look_up
) -> torch.Tensor:
    """Codes (spikes, N, *shape) of potentials v (N, *shape); thresholds follow factors (N, *shape but the last)."""
    folded, steps = v.reshape(-1, *tables.axes), tables.entries.shape[1]
    divisor = factor.double().clamp(min=SMALLEST).reshape(*folded.shape[:-1], 1)
    gain = (divisor.rsqrt() if tables.squared else divisor.reciprocal()).float()
    largest = tables.limit * 2.0**tables.cut
    codes, unsure = look_up(folded, gain, tables.lookup, largest, spikes, code_type(steps))
    flat, rows = folded.reshape(-1), factor.reshape(-1)
    resolve(
        codes, unsure, lambda where: falling_codes(flat[where], rows[where // tables.axes[2]], where, tables, spikes)
    )
    return codes.reshape(spikes, *v.shape)


def falling_codes(
    v: torch.Tensor, factor: torch.Tensor, where: torch.Tensor, tables: FallingTables, spikes: int
) -> torch.Tensor:
    """Codes (spikes, n), by the definition, of neurons ``where`` (n,) with potentials v (n,) and factors (n,)."""
    squared, entries = tables.squared, constant(tables.entries, v.device)
    row, steps = parameters_of(where, tables.axes, len(entries)), entries.shape[1]
    levels, midpoints = constant(tables.rest, v.device)
    unit, shift, unit_shift = (
        None if a is None else constant(a, v.device)[row][:, None]
        for a in (tables.unit, tables.shift, tables.unit_shift)
    )
    least, most = (drive[:, None] for drive in drives(v, tables, None if shift is None else shift[:, 0]))
    f = factor[:, None]
    begin = torch.where((least[:, 0] > 0) & (factor > 0), 0, steps)
    found = [first(entries[row] * f <= most, torch.zeros_like(most, dtype=torch.bool), begin)]
    sent = torch.zeros_like(begin, dtype=levels.dtype)[:, None]
    while len(found) < spikes:
        code = found[-1]
        sent = sent + (code.sign() * levels[(code.abs() - 1).clamp(min=0)])[:, None]
        begin = torch.where(code == 0, steps, code.abs())
        above, below = (level_entry(sent + z * midpoints, squared, unit, unit_shift) * f for z in (1, -1))
        found.append(first(above <= most, (sent >= midpoints) & (below >= least), begin))
    return torch.stack(found) * torch.where(v > 0, 1, -1)


def drives(v: torch.Tensor, tables: FallingTables, shift: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """What entry * factor is compared with, (least, most), of potentials v (n,).

    A neuron fires in the sign of v where entry * factor <= most, and in the other where entry * factor >= least.

    In integers a threshold is (entry * factor) >> shift: drive >= threshold where entry * factor < (drive + 1) <<
    shift, and drive <= threshold where entry * factor >= drive << shift.
    """
    if shift is None:
        drive = v * v if tables.squared else v.abs()
        return drive, drive
    y = shift_toward_zero(v.long(), tables.cut).clamp(-tables.limit, tables.limit)
    least = (y * y if tables.squared else y.abs()) << shift
    return least, least + (1 << shift) - 1
