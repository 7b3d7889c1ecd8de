"""The Triton kernels: each computes what a function of plain torch does, to the last bit in fixed point."""

# Triton types these functions by their calls
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportIndexIssue=false
# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import torch
import triton
import triton.language as tl

from processes.backends.constants import constant
from processes.backends.rows import Rows
from processes.backends.tables import Lookup

BLOCK = 1024


@triton.jit
def _look_up(
    v, gain, scale, begin, at, ends, codes, unsure, n, a_len, md_len, d_len, units, largest, margin, shift, first, count,
    HAS_GAIN: tl.constexpr, PLANES: tl.constexpr, LANES: tl.constexpr, WIDTH: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = i < n
    x = tl.load(v + i, mask=inside, other=0).to(tl.float32)
    neuron = i // md_len % a_len * d_len + i % d_len
    factor = tl.load(scale + neuron, mask=inside, other=0)
    if HAS_GAIN:
        factor = factor * tl.load(gain + i // d_len, mask=inside, other=0)
    y = x * factor
    slack = tl.where(tl.abs(x) <= largest, units * factor, float("inf"))
    bits = y.to(tl.int32, bitcast=True)
    bucket = tl.minimum(tl.maximum((bits & 0x7FFFFFFF) >> shift, first), first + count - 1) - first
    place = 2 * (tl.load(begin + neuron, mask=inside, other=0) + bucket + tl.where(bits < 0, count, 0))
    low = tl.load(at + place, mask=inside, other=0)
    high = tl.load(at + place + 1, mask=inside, other=0)
    above = y >= high + slack
    sure = (above | (y < low - slack)) & (slack <= margin)
    packed = tl.load(ends + place + above.to(tl.int32), mask=inside, other=0)
    for p in tl.static_range(PLANES):
        code = (packed >> (WIDTH * p)) if p < LANES else packed * 0
        tl.store(codes + p * n + i, code.to(codes.dtype.element_ty), mask=inside)
    tl.store(unsure + i, (~sure).to(tl.int8), mask=inside)


def look_up(
    v: torch.Tensor, gain: torch.Tensor | None, lookup: Lookup, largest: float, planes: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes by a codebook, and where they are unsure (:func:`processes.backends.torch.lookup.look_up`), in one pass."""
    book, device, v = lookup.book, v.device, v.contiguous()
    _, a, m, d = v.shape
    ends, scale = constant(book.ends, device), constant(lookup.scale, device)
    codes = torch.empty((planes, *v.shape), dtype=dtype, device=device)
    unsure = torch.empty(v.shape, dtype=torch.int8, device=device)
    width, n = 8 * dtype.itemsize, v.numel()
    _look_up[(triton.cdiv(n, BLOCK),)](
        v, scale if gain is None else gain.contiguous(), scale, constant(lookup.begin, device),
        constant(book.at, device).reshape(-1), ends, codes, unsure, n, a, m * d, d,
        float(lookup.units), float(largest), float(book.margin), int(book.shift), int(book.first), int(book.count),
        HAS_GAIN=gain is not None, PLANES=planes, LANES=8 * ends.itemsize // width, WIDTH=width, SIZE=BLOCK,
    )  # fmt: skip
    return codes, unsure.bool()


@triton.jit
def _decode(codes, levels, out, sizes, n, last, PLANES: tl.constexpr, HAS_SIZES: tl.constexpr, SIZE: tl.constexpr):
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = i < n
    total = tl.load(levels + (tl.load(codes + i, mask=inside, other=0).to(tl.int32) & last))
    size = tl.abs(total)
    for p in tl.static_range(1, PLANES):
        code = tl.load(codes + p * n + i, mask=inside, other=0).to(tl.int32)
        more = tl.load(levels + (code & last))
        total += more
        size += tl.abs(more)
    tl.store(out + i, total, mask=inside)
    if HAS_SIZES:
        tl.store(sizes + i, size, mask=inside)


def decode(codes: torch.Tensor, levels: torch.Tensor, sizes: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of the entries of ``levels`` for codes (planes, ...), and of their magnitudes if ``sizes``, or the sums."""
    codes = codes.contiguous()
    out = torch.empty(codes.shape[1:], dtype=levels.dtype, device=codes.device)
    magnitudes = torch.empty_like(out) if sizes else out
    n = out.numel()
    _decode[(triton.cdiv(n, BLOCK),)](
        codes, levels, out, magnitudes, n, len(levels) - 1, PLANES=len(codes), HAS_SIZES=sizes, SIZE=BLOCK
    )
    return out, magnitudes


@triton.jit
def _step(
    z, w, bias, trace, y, clips, rows, outputs, inputs, steps, limit,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    r = tl.program_id(1) * BM + tl.arange(0, BM)
    o = tl.program_id(0) * BN + tl.arange(0, BN)
    k = tl.arange(0, BK)
    r_in, o_in = r < rows, o < outputs
    at = r[:, None].to(tl.int64) * outputs + o[None, :]
    inside = r_in[:, None] & o_in[None, :]
    v = tl.zeros((BM, BN), tl.int32) + tl.load(bias + o, mask=o_in, other=0)[None, :]
    a_at = z + r[:, None].to(tl.int64) * inputs + k[None, :]
    b_at = w + o[None, :].to(tl.int64) * inputs + k[:, None]
    for t in range(steps):
        total = tl.zeros((BM, BN), tl.int32)
        for k0 in range(0, inputs, BK):
            k_in = k < inputs - k0
            a = tl.load(a_at + k0, mask=r_in[:, None] & k_in[None, :], other=0)
            b = tl.load(b_at + k0, mask=o_in[None, :] & k_in[:, None], other=0)
            total = tl.dot(a, b, total, out_dtype=tl.int32)
        a_at += rows * inputs
        v += tl.load(trace + t) * total
        if tl.max(tl.abs(v)) > limit:
            beyond = tl.abs(v) > limit
            counted = tl.load(clips + at, mask=inside, other=0)
            tl.store(clips + at, counted + beyond.to(tl.int16), mask=inside)
            v = tl.minimum(tl.maximum(v, -limit), limit)
    tl.store(y + at, v.to(tl.float32), mask=inside)


CHUNK = 2**32
"""Most spikes, of all steps, that are held at a time, one byte each."""


def step_rows(
    codes: torch.Tensor, rows: Rows, bias: torch.Tensor, trace: torch.Tensor, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Saturating sums of synapses (:func:`processes.backends.torch.accumulate.step_rows`), by int8 tensor cores.

    The caller ensures that a potential plus what one step adds fits 32-bit integers.
    """
    device, steps = codes.device, len(trace)
    _, count, inputs = codes.shape
    weight, outputs = constant(rows.weight, device), len(rows.weight)
    y = torch.empty((count, outputs), device=device)
    clips = torch.zeros((count, outputs), dtype=torch.int16, device=device)
    codes, height = codes.contiguous(), max(128, CHUNK // (steps * inputs))
    for begin in range(0, count, height):
        part = codes[:, begin : begin + height]
        z = spikes_by_step(part, steps)
        n = part.shape[1]
        grid = (triton.cdiv(outputs, 128), triton.cdiv(n, 128))
        _step[grid](
            z, weight, bias, trace, y[begin:], clips[begin:], n, outputs, inputs, steps, limit,
            BM=128, BN=128, BK=64, num_warps=8, num_stages=4,
        )  # fmt: skip
    return y, clips


@triton.jit
def _spread(codes, z, n, plane, steps, PLANES: tl.constexpr, SIZE: tl.constexpr):
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = i < n
    z_at = z + i
    for t in range(steps):
        total = tl.zeros((SIZE,), tl.int32)
        for p in tl.static_range(PLANES):
            code = tl.load(codes + p * plane + i, mask=inside, other=0).to(tl.int32)
            total += (code == t + 1).to(tl.int32) - (code == -(t + 1)).to(tl.int32)
        tl.store(z_at, total.to(tl.int8), mask=inside)
        z_at += n


def spikes_by_step(codes: torch.Tensor, steps: int) -> torch.Tensor:
    """Spikes -1, 0 or 1 of codes (planes, ...) at each step, int8 (T, ...)."""
    codes = codes.contiguous()
    n = codes[0].numel()
    z = torch.empty((steps, *codes.shape[1:]), dtype=torch.int8, device=codes.device)
    _spread[(triton.cdiv(n, BLOCK),)](codes, z, n, n, steps, PLANES=len(codes), SIZE=BLOCK)
    return z
