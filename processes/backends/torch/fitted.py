"""Neurons of the SIT method (fitted ones, and those that divide) and integrate-and-fire neurons."""

from __future__ import annotations

import numpy as np
import torch

from processes.backends.constants import constant
from processes.backends.tables import ExpTables, FittedTables
from processes.backends.torch.fire import code_type

HALVES = np.ldexp(1.0, -np.arange(1075))
"""Powers 2^-n, n = 0 .. 1074: all that are not 0 in float64."""


def fire_fitted(v: torch.Tensor, tables: FittedTables) -> torch.Tensor:
    """Codes (K, N, *shape) of fitted neurons: at step t one fires if v >= threshold_t, and then v <- v - reset_t."""
    a, _, d = tables.axes
    folded, steps = v.reshape(-1, *tables.axes), len(tables.sign)
    threshold, reset = (_over_axes(t, a, d, folded) for t in (tables.threshold, tables.reset))
    fired = torch.empty((steps, *folded.shape), dtype=torch.bool, device=v.device)
    for t in range(steps):
        fired[t] = folded >= threshold[t]
        folded = folded - fired[t] * reset[t]
    return planes(fired, tables.sign).reshape(steps, *v.shape)


def _over_axes(table: np.ndarray, a: int, d: int, like: torch.Tensor) -> torch.Tensor:
    """A table (P, K) as a tensor (K, A or 1, 1, D or 1) of the type and on the device of ``like``."""
    full = constant(table, like.device, like.dtype).T
    return full.reshape(-1, a, 1, d) if len(table) > 1 else full.reshape(-1, 1, 1, 1)


def planes(fired: torch.Tensor, sign: np.ndarray | None = None) -> torch.Tensor:
    """Codes (K, ...) of spikes by step, bool (K, ...): a neuron's spikes fill its first planes, zeros follow."""
    steps = len(fired)
    codes = torch.zeros(fired.shape, dtype=code_type(steps), device=fired.device)
    sent = torch.zeros((1, *fired.shape[1:]), dtype=torch.int64, device=fired.device)
    for t, now in enumerate(fired):
        code = (t + 1) * (1 if sign is None else int(sign[t]))
        codes.scatter_add_(0, sent, (now * code).to(codes.dtype)[None])  # a plane that is not filled yet is zero
        sent += now
    return codes


def fire_exp(v: torch.Tensor, tables: ExpTables, allowed: torch.Tensor) -> torch.Tensor:
    """Codes (K, N, *shape) of SI-exp for rows v (N, *shape) along the last axis.

    x is v minus the row's largest v. At clock step j a neuron fires if x + clock_j <= half, and then x <- x + clock_j;
    the fitted steps follow if x >= -2 half. Without a clock v itself takes the fitted steps. ``allowed``, bool,
    broadcasts with (R, heads, rows, keys) and is False where a key takes no part.
    """
    folded = v.reshape(-1, *tables.axes)
    clock, half, threshold, reset = (constant(array, v.device, v.dtype) for array in tables.arrays)
    clock, threshold, reset = (t.T[:, :, None, None] for t in (clock, threshold, reset))
    half, digits = half[:, None, None], len(clock)
    may = allowed.expand(folded.shape)
    x, fired = folded, []
    if digits:
        lowest = -torch.inf if v.is_floating_point() else torch.iinfo(v.dtype).min // 2
        largest = folded.masked_fill(~may, lowest).amax(-1, keepdim=True)
        x = torch.where(may, folded - largest, 0)
    for step in clock:
        fired.append(may & (x + step <= half))
        x = x + fired[-1] * step
    if digits:
        may = may & (x >= -2 * half)
    for t, by in zip(threshold, reset, strict=True):
        fired.append(may & (x >= t))
        x = x - fired[-1] * by
    return planes(torch.stack(fired)).reshape(len(fired), *v.shape)


def spelled(codes: torch.Tensor, output: np.ndarray, digits: int) -> torch.Tensor:
    """Exponentials (...) that codes (planes, ...) of SI-exp stand for; float64 or int64, as ``output`` (phases, K - J).

    The spikes of the first J = ``digits`` steps are the binary digits of N. The sum of output[N mod phases, t] over the
    fitted spikes, at least 0, is shifted right by N div phases.
    """
    whole = np.issubdtype(output.dtype, np.integer)
    table = constant(output, codes.device, torch.int64 if whole else torch.float64)
    phases, fitted = table.shape
    step = codes.long() - 1
    weight = torch.where((step >= 0) & (step < digits), 1 << (digits - 1 - step).clamp(0), 0)
    behind = weight.sum(0)
    total = torch.zeros(codes.shape[1:], dtype=table.dtype, device=codes.device)
    for k in step:  # one plane after the other, so that real sums have the order of the spikes
        entry = table.reshape(-1)[behind % phases * fitted + (k - digits).clamp(0)]
        total += torch.where(k >= digits, entry, 0)
    return halved(total.clamp(min=0), behind // phases)


def halved(total: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """total * 2^-shift, rounded toward zero for integers; total is not negative."""
    if not total.is_floating_point():
        return total >> shift.clamp(max=62)
    return total * constant(HALVES, total.device)[shift.clamp(max=len(HALVES) - 1)]


def fire_digits(start: torch.Tensor, total: torch.Tensor, steps: int) -> torch.Tensor:
    """Codes (T, ..., D): the binary digits of start (..., D) / total (..., 1), a spike for each 1.

    v begins at ``start`` and doubles at each step but the first; where v >= total > 0 a neuron fires and subtracts the
    total.
    """
    v, fired = start, []
    for t in range(steps):
        v = v + v if t > 0 else v
        fired.append((v >= total) & (total > 0))
        v = v - fired[-1] * total
    return planes(torch.stack(fired))


def fire_train(start: torch.Tensor, weight: torch.Tensor, total: torch.Tensor, steps: int) -> torch.Tensor:
    """Codes (T, ..., D): a spike at each step t at which start + (t + 1) weight reaches another multiple of total."""
    divisor, before, fired = torch.where(total > 0, total, 1), torch.zeros_like(start), []
    for t in range(steps):
        count = torch.div(start + (t + 1) * weight, divisor, rounding_mode="floor")
        fired.append(count > before)
        before = count
    return planes(torch.stack(fired))


def fire_rate(v: torch.Tensor, steps: int, signed: bool) -> torch.Tensor:
    """Codes (T, N, *shape) of potentials v in units of the threshold: floor(v + 1/2) spikes, at most T, from step 0 on.

    Negative potentials send ceil(-v - 1/2) negative spikes if ``signed`` (ties round towards silence), none otherwise.
    """
    count = torch.floor(v + 0.5)
    if signed:
        count = torch.where(v < 0, -torch.ceil(-v - 0.5).clamp(min=0), count)
    count = count.clamp(-steps if signed else 0, steps)
    step = torch.arange(1, steps + 1, device=v.device).reshape(-1, *[1] * v.ndim)
    return torch.where(count.abs() >= step, count.sign() * step, 0).to(code_type(steps))
