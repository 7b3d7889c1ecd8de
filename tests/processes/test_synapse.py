"""Synapses: what a window of currents adds up to, in the closed form, step by step and by definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.backends import backend_named
from processes.backends.tables import Geometry
from processes.phase_code import PhaseCode
from processes.synapse import ConvSynapse, DenseSynapse, ScaleSynapse, Synapse
from tests.processes.reference import GRID, batch, clipped_sum, random_codes, run, spikes
from tests.tolerances import ROUNDING


def value(codes: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Decoded codes (planes, *shape)."""
    return np.where(codes == 0, 0, np.sign(codes) * trace[np.abs(codes) - 1]).sum(0)


def check_fixed(op: Synapse, codes: np.ndarray, by_step: Any) -> int:
    """Closed form, stepper and the definition by dense sums of each step; returns the clips."""
    steps = len(op.trace)
    result = op.closed_form(batch(codes[:, None]))
    y = result.values
    sent = run(op, spikes(codes, 3, steps))
    stepped, clips = clipped_sum(sent, op.shape, op.state_bits)
    assert all(np.issubdtype(m.dtype, np.integer) for m in sent.messages.values())
    limit = 2 ** (op.state_bits - 1) - 1
    v, count = np.zeros(op.shape, object), 0
    for k in range(steps):
        z = ((codes == k + 1).sum(0) - (codes == -(k + 1)).sum(0)).astype(np.int64)
        v = v + by_step(z).astype(object) * int(op.trace[k]) + (by_step(None) if k == 0 else 0)
        count += int((abs(v) > limit).sum())
        v = np.clip(v, -limit, limit)
    assert (y[0].numpy() == v).all()
    assert (stepped == v).all()
    assert result.clipped == clips == count
    return count


def check_float(op: Synapse, codes: np.ndarray, x_to_y: Any) -> None:
    """Closed form, sum of the steps, and w x + b."""
    expected = x_to_y(value(codes, op.trace))
    y = op.closed_form(batch(codes[:, None]), dtype=torch.float64).values[0].numpy()
    sent = run(op, spikes(codes, 0, len(op.trace)))
    scale = np.abs(expected).max() + 1
    assert np.abs(y - expected).max() <= ROUNDING * scale
    assert np.abs(sum(sent.messages.values()) - expected).max() <= ROUNDING * scale
    ideal = op.ideal(torch.from_numpy(value(codes, op.trace))[None])[0].numpy()
    assert np.abs(ideal - expected).max() <= ROUNDING * scale


def dense(rng: np.random.Generator, shape: tuple[int, ...], n_in: int, trace: np.ndarray, bits: int) -> DenseSynapse:
    limit = 2 ** (bits - 1) - 1
    return DenseSynapse(
        shape=shape, weight=rng.integers(-127, 128, (shape[-1], n_in)).astype(np.int8),
        bias=rng.integers(-limit, limit + 1, shape[-1]).astype(np.int32), trace=trace, state_bits=bits,
    )  # fmt: skip


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("bits", [10, 24])
@pytest.mark.parametrize("base, steps", GRID)
def test_dense_fixed(base: float, steps: int, bits: int, planes: int) -> None:
    rng = np.random.default_rng(steps + bits)
    op = dense(rng, (1, 6, 5), 7, PhaseCode(base, steps).trace(12 if bits == 24 else 4), bits)
    codes = random_codes(rng, (1, 6, 7), steps, planes)
    codes[:, :, 0] = 0  # silent token
    codes[0, :, 1], codes[1:, :, 1] = 1, 0  # everything at the first step
    codes[0, :, 2], codes[1:, :, 2] = -steps, 0  # everything at the last
    weight, bias = op.weight.astype(np.int64), op.bias.astype(np.int64)
    clips = check_fixed(op, codes, lambda z: bias if z is None else z @ weight.T)
    if bits == 10:
        assert clips > 0, "this case is meant to saturate"


@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.sampled_from([8, 10, 14, 20, 24]),
    trace_bits=st.sampled_from([6, 11, 12]),
    planes=st.integers(1, 2),
    tokens=st.integers(1, 3),
    n_in=st.integers(1, 40),
    n_out=st.integers(1, 4),
)
def test_dense_fixed_at_random_widths(
    seed: int, bits: int, trace_bits: int, planes: int, tokens: int, n_in: int, n_out: int
) -> None:
    rng = np.random.default_rng(seed)
    base, steps = GRID[rng.integers(len(GRID))]
    op = dense(rng, (1, tokens, n_out), n_in, PhaseCode(base, steps).trace(trace_bits), bits)
    codes = random_codes(rng, (1, tokens, n_in), steps, planes, silent=rng.random())
    weight, bias = op.weight.astype(np.int64), op.bias.astype(np.int64)
    check_fixed(op, codes, lambda z: bias if z is None else z @ weight.T)


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("base, steps", GRID)
def test_dense_float(base: float, steps: int, planes: int) -> None:
    rng = np.random.default_rng(steps)
    weight, bias = rng.normal(size=(5, 7)), rng.normal(size=5)
    op = DenseSynapse(shape=(1, 6, 5), weight=weight, bias=bias, trace=PhaseCode(base, steps).levels)
    check_float(op, random_codes(rng, (1, 6, 7), steps, planes), lambda x: x @ weight.T + bias)


def test_the_bias_comes_once_and_without_spikes() -> None:
    op = DenseSynapse(shape=(1, 2), weight=np.ones((2, 3)), bias=np.array([0.5, -1.0]), trace=PhaseCode(2.0, 4).levels)
    sent = run(op, spikes(np.zeros((1, 1, 3), np.int8), 7, 4))
    assert list(sent.messages) == [7] and sent.messages[7].tolist() == [[0.5, -1.0]]


CONVOLUTIONS = [
    dict(channels=(3, 4), kernel=(3, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1),
    dict(channels=(1, 4), kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), groups=1),
    dict(channels=(4, 6), kernel=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 1), groups=2),
    dict(channels=(4, 4), kernel=(3, 3), stride=(1, 1), padding=(2, 2), dilation=(2, 2), groups=4),
    dict(channels=(2, 2), kernel=(5, 6), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1),
]


def naive_convolution(x: np.ndarray, w: np.ndarray, case: dict[str, Any]) -> np.ndarray:
    """(1, in, H, W) -> (1, out, H', W') with Python loops, in x's integers or floats."""
    (sy, sx), (py, px), (dy, dx), groups = case["stride"], case["padding"], case["dilation"], case["groups"]
    padded = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    out, per_group, kh, kw = w.shape
    height = (padded.shape[2] - dy * (kh - 1) - 1) // sy + 1
    width = (padded.shape[3] - dx * (kw - 1) - 1) // sx + 1
    y = np.zeros((1, out, height, width), x.dtype)
    for o in range(out):
        first = o // (out // groups) * per_group
        for r in range(height):
            for c in range(width):
                patch = padded[0, first : first + per_group, r * sy :, c * sx :][:, : dy * kh : dy, : dx * kw : dx]
                y[0, o, r, c] = (patch[:, :kh, :kw] * w[o]).sum()
    return y


def convolution(
    rng: np.random.Generator, case: dict[str, Any], integer: bool, trace: np.ndarray, bits: int
) -> ConvSynapse:
    n_in, n_out = case["channels"]
    size = (n_out, n_in // case["groups"], *case["kernel"])
    weight = rng.integers(-127, 128, size).astype(np.int8) if integer else rng.normal(size=size)
    bias = rng.integers(-400, 400, n_out).astype(np.int32) if integer else rng.normal(size=n_out)
    geometry = {key: case[key] for key in ("stride", "padding", "dilation", "groups")}
    shape = naive_convolution(np.zeros((1, n_in, 5, 6)), weight, case).shape
    return ConvSynapse(shape=shape, weight=weight, bias=bias, trace=trace, state_bits=bits, **geometry)


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("base, steps, planes", [(1.05, 4, 1), (1.15, 40, 2), (1.4, 16, 1), (2.0, 128, 2)])
def test_convolution(case: dict[str, Any], base: float, steps: int, planes: int) -> None:
    rng = np.random.default_rng(steps)
    codes = random_codes(rng, (1, case["channels"][0], 5, 6), steps, planes)
    code = PhaseCode(base, steps)
    op = convolution(rng, case, False, code.levels, 0)
    check_float(op, codes, lambda x: naive_convolution(x, op.weight, case) + op.bias[:, None, None])
    clips = 0
    for bits in (10, 24):
        fixed = convolution(rng, case, True, code.trace(4 if bits == 10 else 12), bits)
        weight, bias = fixed.weight.astype(np.int64), fixed.bias.astype(np.int64)[:, None, None]
        clips += check_fixed(
            fixed, codes, lambda z, w=weight, b=bias: b if z is None else naive_convolution(z, w, case)
        )
    assert clips > 0, "10 bits are meant to saturate"


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_backend_convolves_integers_exactly(case: dict[str, Any], dtype: torch.dtype) -> None:
    """Up to 2^24, or 2^53, in any order of summation."""
    rng = np.random.default_rng(len(case["kernel"]))
    n_in, n_out = case["channels"]
    weight = rng.integers(-127, 128, (n_out, n_in // case["groups"], *case["kernel"])).astype(np.int8)
    most = (2**24 if dtype == torch.float32 else 2**53) // int(np.abs(weight.astype(int)).sum((1, 2, 3)).max())
    x = rng.integers(-most, most + 1, (3, n_in, 5, 6))
    geometry = Geometry(*(case[key] for key in ("stride", "padding", "dilation", "groups")))
    expected = np.concatenate([naive_convolution(sample[None], weight.astype(np.int64), case) for sample in x])
    for name in ("numba", "torch"):
        found = backend_named(name).grouped(torch.from_numpy(x).to(dtype), weight, geometry)
        assert found.dtype == dtype and (found.numpy() == expected).all()


def test_a_weight_without_an_opposite_counts_in_full() -> None:
    """-128 has no int8 of the same magnitude: sums that clip on their way, and come back, are found all the same."""
    rng = np.random.default_rng(0)
    case = next(case for case in CONVOLUTIONS if case["groups"] == 4)
    op = convolution(rng, case, True, PhaseCode(1.4, 16).trace(6), 15)
    op = replace(op, weight=np.full_like(op.weight, -128))
    weight, bias = op.weight.astype(np.int64), op.bias.astype(np.int64)[:, None, None]
    clips = 0
    for _ in range(20):
        codes = random_codes(rng, (1, case["channels"][0], 5, 6), 16, 1)
        clips += check_fixed(op, codes, lambda z: bias if z is None else naive_convolution(z, weight, case))
    assert clips > 0


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_norms_are_those_of_what_an_output_hears(case: dict[str, Any]) -> None:
    """A weight of one where an output hears anything gives the sum of squares."""
    rng = np.random.default_rng(0)
    op = convolution(rng, case, False, PhaseCode(2.0, 4).levels, 0)
    x = rng.normal(size=(3, 1, case["channels"][0], 5, 6))
    ones = np.ones_like(op.weight)
    squares = [naive_convolution(sample**2, ones, case) for sample in x]
    assert op.norm(torch.from_numpy(x)) == pytest.approx(np.sqrt(np.max(squares)))


@pytest.mark.parametrize("pool, parameter", [((), (1, 1, 5)), ((), (1, 4, 5)), ((1,), (1, 1, 5)), ((1, 2), (1, 4, 1))])
@pytest.mark.parametrize("base, steps, planes", [(1.05, 4, 1), (1.15, 40, 2), (1.4, 16, 1), (2.0, 128, 2)])
def test_scale(pool: tuple[int, ...], parameter: tuple[int, ...], base: float, steps: int, planes: int) -> None:
    rng = np.random.default_rng(steps)
    shape = tuple(1 if a in pool else n for a, n in enumerate((1, 4, 5)))
    codes = random_codes(rng, (1, 4, 5), steps, planes)
    code = PhaseCode(base, steps)
    weight, bias = rng.normal(size=parameter), rng.normal(size=(1, 1, shape[-1]))
    op = ScaleSynapse(shape=shape, weight=weight, bias=bias, trace=code.levels, pool=pool)
    check_float(op, codes, lambda x: (x * weight).sum(pool, keepdims=True) + bias if pool else x * weight + bias)
    clips = 0
    for bits in (9, 24):
        w = rng.integers(-127, 128, parameter).astype(np.int8)
        b = rng.integers(-200, 200, bias.shape).astype(np.int32)
        trace = code.trace(4 if bits == 9 else 12)
        wide = w.astype(np.int64)
        op = ScaleSynapse(shape=shape, weight=w, bias=b, trace=trace, state_bits=bits, pool=pool)

        def by_step(z: np.ndarray | None, w: np.ndarray = wide, b: np.ndarray = b) -> np.ndarray:
            if z is None:
                return b.astype(np.int64)
            return (z * w).sum(pool, keepdims=True) if pool else z * w

        clips += check_fixed(op, codes, by_step)
    assert clips > 0


def test_replaced_weights_are_seen() -> None:
    """Weights are converted once for an operation: one with others has tensors of its own."""
    op = DenseSynapse(shape=(1, 1), weight=np.ones((1, 2)), bias=np.zeros(1), trace=PhaseCode(2.0, 4).levels)
    codes = batch(np.ones((1, 1, 1, 2), np.int8))
    assert op.closed_form(codes).values.item() == 2.0
    op = replace(op, weight=op.weight * 3)
    assert op.closed_form(codes).values.item() == 6.0
