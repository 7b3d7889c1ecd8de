"""Codes that neurons fire, by compiled loops."""

# numba types these functions by their calls, not by their signatures
# pyright: reportCallIssue=false

from __future__ import annotations

import numpy as np
import torch

from processes.backends.numba.views import as_numpy, empty_codes
from processes.backends.tables import FallingTables, Lookup, PhaseTables, RaceTables
from processes.kernels.fire import fire_falling as _fire_falling
from processes.kernels.fire import fire_linear, fire_nonlinear
from processes.kernels.race import fire_ramp, fire_ramp_further


def fire(v: torch.Tensor, tables: PhaseTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, N, *shape) of phase neurons with potentials v (N, *shape)."""
    thresholds = tables.thresholds
    codes = empty_codes(spikes, v, thresholds[0].shape[1])
    known = (as_numpy(v).reshape(-1), tables.axes, *_lookup(tables.lookup), thresholds, int(len(thresholds[0]) > 1))
    flat = codes.numpy().reshape(spikes, -1)
    if tables.further is None:
        fire_linear(*known, flat)
    else:
        fire_nonlinear(*known, *tables.further, flat)
    return codes


def _lookup(lookup: Lookup) -> tuple:
    """Scale, first buckets, rounding units and codebook tables of a lookup, as the compiled loops take them."""
    return lookup.scale, lookup.begin, np.float32(lookup.units), lookup.book.tables


def fire_falling(v: torch.Tensor, factor: torch.Tensor, tables: FallingTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, N, *shape) of potentials v (N, *shape); thresholds follow factors (N, *shape but the last)."""
    codes = empty_codes(spikes, v, tables.entries.shape[1])
    scale, begin, units, book = _lookup(tables.lookup)
    biggest = np.float32(tables.limit * 2.0**tables.cut)
    _fire_falling(
        as_numpy(v).reshape(-1), tables.axes, scale, begin, units, biggest, book, tables.squared, tables.shift,
        tables.cut, tables.limit, tables.entries, as_numpy(factor).reshape(-1), int(len(tables.entries) > 1), tables.rest,
        tables.unit, tables.unit_shift, codes.numpy().reshape(spikes, -1),
    )  # fmt: skip
    return codes


def race(v: torch.Tensor, tables: RaceTables, spikes: int) -> torch.Tensor:
    """Codes (spikes, N, *shape) of WOSS softmax for rows v (N, *shape) along the last axis; -inf takes no part."""
    codes = empty_codes(spikes, v, tables.ramp.shape[1])
    folded, spread = as_numpy(v).reshape(-1, *tables.axes), int(len(tables.ramp) > 1)
    if tables.further is None:
        ends, accuracy = tables.ends.astype(folded.dtype), float(np.finfo(folded.dtype).eps)
        fire_ramp(folded, ends, spread, accuracy, codes.numpy().reshape(spikes, *folded.shape))
    else:
        lookup, after, row_after = tables.further
        _, begin, _, book = _lookup(lookup)
        fire_ramp_further(
            folded.reshape(-1), tables.axes, begin, book, tables.ramp.astype(float), after, row_after, spread,
            codes.numpy().reshape(spikes, -1),
        )  # fmt: skip
    return codes
