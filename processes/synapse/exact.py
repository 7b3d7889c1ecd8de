"""Saturating integer sums: one matrix product where a bound proves that nothing saturates, event by event elsewhere.

A window adds trace_k * w z(k) for k = 0, 1, ... and clips to +-(2^(bits-1) - 1) after every step. Every partial sum is
a sum over a subset of the spikes, so by Cauchy-Schwarz it stays below ||w|| ||x|| + |b|; where a neuron has several
spikes, x adds them up regardless of sign, as a later one may take back half of the first. A tighter bound that no
subset exceeds is the sum of all positive (or all negative) terms, which is half of the terms' magnitudes plus half of
the sum itself. The magnitudes are at most the first bound, or come from a second product: about a third of it where
signs are mixed. Where one of these bounds is within the limit (less than 2^23) nothing clips, and a float32 product is
exact in any order of summation because all its partial sums are integers below 2^24. For the other rows the window is
cut into parts: the sum before a part is known exactly, and only the part's own terms may arrive in any order. Rows that
fine parts leave unsure too are stepped through, which costs as much as fifty products.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

from processes.backends import backend_of
from processes.backends.constants import constant
from processes.backends.rows import Rows
from processes.spikes import decode, peak, taken

SAMPLED = 64  # rows whose codes say where to cut, which changes no result
SINGLE = 3  # parts of so few steps are taken step by step, which proves more and takes no longer than with magnitudes
USUAL = 0.9  # quantile of the rows for which the number of parts is chosen
FINER = (1, 3)  # factors of that number, in a first pass and in a second one for rows that are still unsure
SPARE = 1.3  # factor of the number of parts that the excess over the limit asks for
FULLEST = 0.9  # of the limit: potentials that hold more would take parts of single steps

Clips = torch.Tensor | None  # how often each neuron was clipped; None stands for no clip at all


def accumulate_rows(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, bits: int
) -> tuple[torch.Tensor, Clips]:
    """Saturating potentials (R, out) of codes (planes, R, in), integers carried in float32, and each one's clips.

    ``rows`` are int8 weights (out, in), bias is (out,), the integer trace (T,), ``bits`` the width of a potential.
    """
    backend, limit = backend_of(codes), 2 ** (bits - 1) - 1
    y, norms = backend.linear(codes, rows, bias, trace)
    left = backend.may_clip(y, norms, rows.reach, float(np.abs(bias).max(initial=0)), limit)
    if not len(left):
        return y, None
    reach = backend.one_sided(taken(codes, left, 1), taken(y, left), rows, bias, trace)
    left, reach = left[reach > limit], reach[reach > limit]
    for finer in FINER:
        if len(left):
            held = min(FULLEST, float(peak(taken(y, left)).quantile(USUAL)) / limit)
            excess = float(reach.quantile(USUAL)) / limit - 1
            parts = finer * (2 + int(SPARE * excess / (1 - held)))
            v, most = in_parts(taken(codes, left, 1), rows, bias, trace, parts, held)
            y[left], left, reach = v, left[most > limit], reach[most > limit]
    if not len(left):
        return y, None
    y[left], some = backend.step_rows(codes[:, left], rows, bias, trace, limit)
    if not bool(some.any()):
        return y, None
    clips = torch.zeros(y.shape, dtype=torch.int16, device=codes.device)
    clips[left] = some
    return y, clips


def in_parts(
    codes: torch.Tensor, rows: Rows, bias: np.ndarray, trace: np.ndarray, parts: int, held: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Potentials (R, out) of codes (planes, R, in), added up part by part of the window, and a bound of them, (R,).

    No |potential| of a row exceeds the bound at the end of any step: a part adds at most the sum of its positive terms
    to the potential before it, and takes off at most that of its negative ones, so |potential| is at most |mean of its
    values before and after the part| plus half of the terms' magnitudes. A part of a single step arrives at once.
    Potentials are exact where the bound is below 2^23. Parts are those of :func:`cuts`.
    """
    backend, nothing, step = backend_of(codes), np.zeros_like(bias), np.arange(len(trace))
    v = constant(bias, codes.device, torch.float32).expand(codes.shape[1], -1).clone()
    most = v.new_zeros(len(v), dtype=torch.float64)
    for begin, end in cuts(codes[:, :SAMPLED], trace, parts, held):
        within = (begin <= step) & (step < end)
        if end == begin + 1:  # spikes weighed by 1, so that sums are exact whatever the trace
            v.add_(backend.linear(codes, rows, nothing, within.astype(trace.dtype))[0], alpha=float(trace[begin]))
            reach = peak(v).double()
        else:
            after = backend.linear(codes, rows, nothing, trace * within)[0].add_(v)
            reach = backend.one_sided(codes, v.add_(after), rows, nothing, trace * within)
            v = after
        most = torch.maximum(most, reach)
    return v, most


def cuts(codes: torch.Tensor, trace: np.ndarray, parts: int, held: float) -> list[tuple[int, int]]:
    """Parts [begin, end) of a window of len(trace) steps, in the order of time.

    The first part carries the most of the magnitudes of ``codes``; each other carries 1 - ``held`` times as much, as
    potentials hold that share of the limit by then.
    """
    spikes = torch.bincount(codes.flatten().long().abs(), minlength=len(trace) + 1)[1:].cpu().numpy()
    carried = np.cumsum(spikes * np.abs(trace).astype(np.float64))
    shares = np.cumsum([1.0] + [1 - held] * (parts - 1))
    inner = np.searchsorted(carried, carried[-1] * shares[:-1] / shares[-1]) + 1
    ends = sorted({0, *(int(end) for end in inner if end < len(trace)), len(trace)})
    return [
        single
        for begin, end in pairwise(ends)
        for single in (pairwise(range(begin, end + 1)) if end - begin <= SINGLE else [(begin, end)])
    ]


def accumulate(
    codes: torch.Tensor,
    linear: Callable[[torch.Tensor], torch.Tensor],
    absolute: Callable[[torch.Tensor], torch.Tensor],
    with_bias: Callable[[torch.Tensor], torch.Tensor],
    trace: np.ndarray,
    bits: int,
    reach: float,
) -> tuple[torch.Tensor, Clips]:
    """Saturating potentials (N, *shape) of a linear map of codes, integers carried in float32, and each one's clips.

    Args:
        codes: (planes, N, *source).
        linear: the map of values (N, *source), exact in their type.
        absolute: the same map with absolute weights.
        with_bias: adds the bias.
        trace: integer value of a spike at step k, (T,).
        bits: width of a potential; the limit is 2^(bits-1) - 1.
        reach: bound of any |potential|. If it is within the limit, one map in float32 does. If not, samples are stepped
            through in which a neuron's positive, or negative, terms may add up to more than the limit.
    """
    limit = 2 ** (bits - 1) - 1
    if reach <= limit:
        return with_bias(linear(decode(codes, trace, torch.float32))), None
    values, sizes = backend_of(codes).decode_sizes(codes, trace, torch.float64)
    y = with_bias(linear(values))
    left = _of_magnitudes(absolute(sizes), with_bias(torch.zeros_like(y)), y, limit)
    y = y.to(torch.float32)
    if not len(left):
        return y, None
    y[left], some = step_through(taken(codes, left, 1), linear, with_bias, trace, bits)
    if some is None:
        return y, None
    clips = torch.zeros(y.shape, dtype=some.dtype, device=y.device)
    clips[left] = some
    return y, clips


def _of_magnitudes(sizes: torch.Tensor, bias: torch.Tensor, y: torch.Tensor, limit: int) -> torch.Tensor:
    """Indices of samples in which terms of one sign, half of all magnitudes plus half of |y|, may exceed the limit."""
    twice = sizes + bias.abs() + y.abs()
    return (twice.flatten(1).amax(-1) > 2 * limit).nonzero()[:, 0]


def step_through(
    codes: torch.Tensor,
    linear: Callable[[torch.Tensor], torch.Tensor],
    with_bias: Callable[[torch.Tensor], torch.Tensor],
    trace: np.ndarray,
    bits: int,
) -> tuple[torch.Tensor, Clips]:
    """Potentials (N, *shape) and clips by the definition: bias at the first step, a sum and a saturation per step."""
    limit = 2 ** (bits - 1) - 1
    v: torch.Tensor | None = None
    clips: torch.Tensor | None = None
    for k in range(len(trace)):
        z = ((codes == k + 1).double() - (codes == -(k + 1)).double()).sum(0)
        current = linear(z) * float(trace[k])
        v = with_bias(current) if v is None else v + current
        beyond = v.abs() > limit
        if bool(beyond.any()):
            clips = beyond.int() if clips is None else clips + beyond
        v = v.clamp_(-limit, limit)
    assert v is not None
    return v.to(torch.float32), clips
