"""Codes of potentials by a codebook: exact, except where rounding or a narrow interval makes them unsure."""

from __future__ import annotations

from collections.abc import Callable

import torch

from processes.backends.constants import constant
from processes.backends.tables import Lookup

LookUp = Callable[
    [torch.Tensor, torch.Tensor | None, Lookup, float, int, torch.dtype], tuple[torch.Tensor, torch.Tensor]
]
"""The type of :func:`look_up`, which another backend may replace."""

MAGNITUDE = 0x7FFFFFFF
"""All bits of a float32 but its sign."""


def look_up(
    v: torch.Tensor, gain: torch.Tensor | None, lookup: Lookup, largest: float, planes: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (planes, R, A, M, D) of potentials v (R, A, M, D), and where they are unsure, bool (R, A, M, D).

    Args:
        v: potentials.
        gain: factor of a row's potentials besides the lookup's scale, float32 (R, A, M, 1); None for 1.
        lookup: codebook, scales and rounding.
        largest: potentials of larger magnitude are unsure.
        planes: most spikes of a neuron.
        dtype: integer type of the codes.
    """
    book, device = lookup.book, v.device
    at, ends = constant(book.at, device).reshape(-1), constant(book.ends, device)
    factor = constant(lookup.scale, device)[:, None]
    factor = factor if gain is None else gain * factor
    near, count = v.to(torch.float32), int(book.count)
    x = near * factor
    slack = (factor * float(lookup.units)).expand_as(x).masked_fill(near.abs() > largest, torch.inf)
    bits = x.view(torch.int32)
    first, last = int(book.first), int(book.first) + count - 1
    bucket = ((bits & MAGNITUDE) >> int(book.shift)).clamp(first, last) - first
    place = 2 * (bucket + constant(lookup.begin, device)[:, None] + (bits < 0) * count).long()
    above = x >= at[place + 1] + slack
    sure = (above | (x < at[place] - slack)) & (slack <= float(book.margin))
    packed = ends[place + above]
    width = 8 * dtype.itemsize
    lanes = [(packed >> (width * p)).to(dtype) for p in range(min(planes, 8 * packed.itemsize // width))]
    silent = torch.zeros_like(lanes[0])  # what would have more spikes than a word has lanes is unsure
    return torch.stack(lanes + [silent] * (planes - len(lanes))), ~sure
