"""Trace-driven products: closed form, stepper and the sum of the docstring, spike by spike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.phase_code import PhaseCode
from processes.trace_product import SquareSum, TraceProduct
from tests.processes.reference import GRID, Run, batch, clipped_sum, random_codes, run, spikes, toward_zero
from tests.tolerances import ROUNDING


def signs(codes: np.ndarray, k: int) -> np.ndarray:
    """Signs (*shape) of the spikes of step k, Python integers."""
    return ((codes == k + 1).sum(0) - (codes == -(k + 1)).sum(0)).astype(object)


def by_steps(a: np.ndarray, b: np.ndarray, traces: np.ndarray, delay: int, transpose: bool) -> Iterator[np.ndarray]:
    """What arrives at each step, by the docstring.

    sum_d [a(k) p r_b + r_a b(k) p + a b p^2] with traces taken before the step's copies; b's window begins ``delay`` steps
    before a's. Object arrays, so that integers have no width.
    """
    if not transpose:
        b = b.swapaxes(-1, -2)
    steps = traces.shape[1]
    held_a, held_b = np.zeros(a.shape[1:], object), np.zeros(b.shape[1:], object)
    for t in range(steps + delay):
        da = signs(a, t - delay) * traces[0, t - delay].item() if t >= delay else held_a * 0
        db = signs(b, t) * traces[1, t].item() if t < steps else held_b * 0
        pairs = ((da, held_b), (held_a, db), (da, db))
        yield sum((left[..., :, None, :] * right[..., None, :, :]).sum(-1) for left, right in pairs)
        held_a, held_b = held_a + da, held_b + db


def by_traces(
    a: np.ndarray, b: np.ndarray, traces: np.ndarray, delay: int, transpose: bool, start: object
) -> np.ndarray:
    """The sum of all steps."""
    return sum(by_steps(a, b, traces, delay, transpose), start)  # type: ignore[return-value]


def product(
    shape: tuple[int, ...], traces: np.ndarray, transpose: bool, bias: np.ndarray | None, bits: int
) -> TraceProduct:
    bias = np.zeros((1,) * len(shape), np.int32 if bits else np.float64) if bias is None else bias
    return TraceProduct(shape=shape, traces=traces, transpose_b=transpose, bias=bias, state_bits=bits)


def step(op: TraceProduct, a: np.ndarray, b: np.ndarray, delay: int) -> Run:
    steps = op.traces.shape[1]
    return run(op, spikes(a, 2 + delay, steps), spikes(b, 2, steps))


CASES = [
    pytest.param((1, 2, 3, 4), True, 0, id="qk"),
    pytest.param((1, 2, 3, 4), False, 1, id="av"),  # v in the window before
    pytest.param((1, 1, 1, 1), True, 0, id="one"),
]


def operands(rng: np.random.Generator, shape: tuple[int, ...], transpose: bool, steps: int, planes: int) -> tuple:
    """a (.., rows, inner) and b, with a silent row and a row where every neuron fires at once."""
    *lead, rows, inner = shape
    other = (*lead, 5, inner) if transpose else (*lead, inner, 5)
    a, b = random_codes(rng, shape, steps, planes), random_codes(rng, other, steps, planes)
    if rows > 1:
        a[..., 0, :] = 0
        a[0, ..., 1, :], a[1:, ..., 1, :] = 1, 0
        b[0, ..., 1, :], b[1:, ..., 1, :] = -1, 0
    return a, b, (*lead, rows, 5)


@pytest.mark.parametrize("planes", [(1, 1), pytest.param((2, 2), marks=pytest.mark.exhaustive), (1, 2)])
@pytest.mark.parametrize("shape, transpose, windows", CASES)
@pytest.mark.parametrize("base, steps", GRID)
def test_product(base: float, steps: int, shape: tuple[int, ...], transpose: bool, windows: int, planes: tuple) -> None:
    rng = np.random.default_rng(steps)
    a, _, _ = operands(rng, shape, transpose, steps, planes[0])
    _, b, out = operands(rng, shape, transpose, steps, planes[1])
    codes, delay = (PhaseCode(base, steps), PhaseCode(1.3, steps)), windows * steps  # each operand has its own base
    levels = np.stack([code.levels for code in codes])
    real_bias = rng.normal(size=(1, 1, *out[-2:]))
    for bias in (None, real_bias):
        op = product(out, levels, transpose, bias, 0)
        expected = by_traces(a, b, levels, delay, transpose, 0 if bias is None else bias).astype(float)
        y = op.closed_form(batch(a[:, None]), batch(b[:, None]), dtype=torch.float64).values[0].numpy()
        stepped = np.broadcast_to(sum(step(op, a, b, delay).messages.values()), out)
        assert np.allclose(y, expected, rtol=ROUNDING, atol=ROUNDING)
        assert np.allclose(stepped, expected, rtol=ROUNDING, atol=ROUNDING)
    width = ((2**23 // (shape[-1] * planes[0] * planes[1] + 1)).bit_length() - 1) // 2  # nothing can saturate
    traces, most = np.stack([code.trace(width) for code in codes]), (2**width - 1) ** 2
    for bias in (None, rng.integers(-most, most + 1, (1, 1, *out[-2:])).astype(np.int32)):
        op = product(out, traces, transpose, bias, 24)
        expected = by_traces(a, b, traces, delay, transpose, 0 if bias is None else bias)
        y = op.closed_form(batch(a[:, None]), batch(b[:, None]), dtype=torch.float64).values
        assert (y[0].numpy() == expected).all()
        potential, clips = clipped_sum(step(op, a, b, delay), out, 24)
        assert (potential == expected).all() and clips == 0


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([8, 10, 16, 20, 24]), inner=st.integers(1, 64),
    planes=st.integers(1, 2), before=st.booleans(), extreme=st.booleans(),
)  # fmt: skip
def test_the_trace_width_keeps_every_partial_sum_inside(
    seed: int, bits: int, inner: int, planes: int, before: bool, extreme: bool
) -> None:
    """At the width that a chip of ``bits`` gives a sum of this length, stepping never clips and sums are
    exact.
    """
    rng = np.random.default_rng(seed)
    base, steps = GRID[rng.integers(len(GRID))]
    delay = before * steps
    length = inner * planes**2
    width = ((2 ** (bits - 1) // length).bit_length() - 1) // 2
    if width < 1:
        return
    traces = np.stack([PhaseCode(b, steps).trace(width) for b in (base, 2.0)])
    a, b = random_codes(rng, (1, 2, inner), steps, planes), random_codes(rng, (1, 3, inner), steps, planes)
    if extreme:
        a[0], b[0], a[1:], b[1:] = 1, 1, 0, 0
    op = product((1, 2, 3), traces, True, None, bits)
    expected = by_traces(a, b, traces, delay, True, 0)
    assert (op.closed_form(batch(a[:, None]), batch(b[:, None])).values[0].numpy() == expected).all()
    potential, clips = clipped_sum(step(op, a, b, delay), op.shape, bits)
    assert (potential == expected).all() and clips == 0


def saturating(
    a: np.ndarray, b: np.ndarray, traces: np.ndarray, delay: int, start: np.ndarray, bits: int
) -> tuple[np.ndarray, int]:
    """The same clipped after every step from a's first on: potentials and the number of clips."""
    limit, clips, v = 2 ** (bits - 1) - 1, 0, start.astype(object)
    for t, arriving in enumerate(by_steps(a, b, traces, delay, True)):
        v = v + arriving
        if t >= delay:
            clips += int((np.abs(v) > limit).sum())
            v = np.clip(v, -limit, limit)
    return v, clips


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(GRID), other=st.sampled_from([1.05, 1.15, 1.4, 2.0]),
    planes=st.tuples(st.integers(1, 2), st.integers(1, 2)), bits=st.sampled_from([8, 12, 16, 20, 24]),
    width=st.integers(4, 12), inner=st.integers(1, 40), late=st.sampled_from([0.0, 0.4, 1.0]), loud=st.booleans(),
)  # fmt: skip
def test_saturation_at_every_step(
    seed: int, grid: tuple, other: float, planes: tuple, bits: int, width: int, inner: int, late: float, loud: bool
) -> None:
    """Whatever the widths: closed form, stepper and definition agree on every potential and on the number of clips."""
    rng = np.random.default_rng(seed)
    (base, steps), limit = grid, 2 ** (bits - 1) - 1
    delay = int(late * steps)
    traces = np.stack([PhaseCode(b, steps).trace(width) for b in (base, other)])
    shapes = ((1, 3, inner), (1, 4, inner))
    a, b = (random_codes(rng, s, steps, p, signed=not loud) for s, p in zip(shapes, planes, strict=True))
    a[:, 0, 0] = 0
    bias = rng.integers(-limit, limit + 1, (1, 3, 4)).astype(np.int32) * rng.integers(0, 2)
    expected, clips = saturating(a, b, traces, delay, bias, bits)
    op = product((1, 3, 4), traces, True, bias, bits)
    op = replace(op, delay=-delay)
    result = op.closed_form(batch(a[:, None]), batch(b[:, None]))
    assert (result.values[0].numpy() == expected).all()
    assert result.clipped == clips
    potential, counted = clipped_sum(step(op, a, b, delay), op.shape, bits)
    assert (potential == expected).all() and counted == clips
    mirrored = product((1, 4, 3), traces[::-1], True, bias.swapaxes(1, 2), bits)
    mirrored = replace(mirrored, delay=delay)
    result = mirrored.closed_form(batch(b[:, None]), batch(a[:, None]))
    assert (result.values[0].numpy() == expected.swapaxes(1, 2)).all()
    assert result.clipped == clips


@pytest.mark.parametrize("over", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_terms_of_one_sign_decide_for_each_product_apart(over: int, sign: int) -> None:
    """Of three samples one is silent, in one twelve terms of one sign come before as many of the other and end at the limit
    or beyond it, in one all pairs reach it by norms and no sum does.
    """
    size, limit = 24, 2**23 - 1
    traces = np.stack(2 * [PhaseCode(1.01, 4).trace(10)])
    first, second = (int(level) for level in traces[0, :2])
    full = size // 2 * first**2
    a, b = np.zeros((1, 3, 1, 3, size), np.int8), np.zeros((1, 3, 1, 2, size), np.int8)
    a[0, 1, 0], b[0, 1, 0, :, : size // 2], b[0, 1, 0, :, size // 2 :] = 1, 1, -2
    a[0, 2], b[0, 2, ..., ::2], b[0, 2, ..., 1::2] = 1, 1, -1
    bias = np.full((1, 3, 2), sign * (limit - full + over), np.int32)
    assert full + size // 2 * first * second + abs(int(bias[0, 0, 0])) > limit
    op = replace(product((1, 3, 2), traces, True, bias, 24), delay=0)
    result = op.closed_form(batch(sign * a), batch(b))
    expected = [saturating(sign * a[:, n], b[:, n], traces, 0, bias, 24) for n in range(3)]
    assert (result.values.numpy() == np.stack([v for v, _ in expected]).astype(float)).all()
    assert result.clipped == sum(clips for _, clips in expected) == 6 * (over > 0)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(GRID), planes=st.integers(1, 2),
    bits=st.sampled_from([8, 12, 16, 20, 24]), width=st.integers(4, 12), features=st.integers(1, 30),
    fraction=st.sampled_from([0, 7, 24]), far=st.sampled_from([6, 16]),
)  # fmt: skip
def test_square_sum_saturates_at_every_step(
    seed: int, grid: tuple, planes: int, bits: int, width: int, features: int, fraction: int, far: int
) -> None:
    rng = np.random.default_rng(seed)
    steps, limit = grid[1], 2 ** (bits - 1) - 1
    trace = PhaseCode(*grid).trace(width)
    codes = random_codes(rng, (1, 3, features), steps, planes)
    shift = 2 * rng.integers(0, far, (1, 1, features)).astype(np.int32)
    op = SquareSum(shape=(1, 3, 1), trace=trace, shift=shift, fraction_bits=fraction, state_bits=bits)
    expected, clips = [], 0
    for token in range(3):
        total, held, fine = 0, [0] * features, 0
        for k in range(steps):
            sent = fine // 2**fraction
            for d, z in enumerate(signs(codes, k)[0, token].tolist()):
                value = z * int(trace[k])
                fine += toward_zero(value * (value + 2 * held[d]) * 2**fraction, int(shift[0, 0, d]))
                held[d] += value
            total += fine // 2**fraction - sent
            clips += abs(total) > limit
            total = max(-limit, min(limit, total))
        expected.append(total)
    result = op.closed_form(batch(codes[:, None]))
    assert result.values[0, 0, :, 0].tolist() == expected
    assert result.clipped == clips
    potential, counted = clipped_sum(run(op, spikes(codes, 1, steps)), op.shape, bits)
    assert potential[0, :, 0].tolist() == expected and counted == clips


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_windows_that_overlap_in_part(delay: int) -> None:
    """As when V takes one stage more than Q and K: it fires two steps before A does, which waits for its
    winner.
    """
    rng = np.random.default_rng(delay)
    traces = np.stack([PhaseCode(b, 16).trace(10) for b in (1.4, 1.2)])
    a, b = random_codes(rng, (1, 3, 8), 16), random_codes(rng, (1, 5, 8), 16)
    op = product((1, 3, 5), traces, True, None, 24)
    expected = by_traces(a, b, traces, delay, True, 0)
    assert (op.closed_form(batch(a[:, None]), batch(b[:, None])).values[0].numpy() == expected).all()
    assert (clipped_sum(step(op, a, b, delay), op.shape, 24)[0] == expected).all()


def test_nothing_is_sent_while_only_one_side_has_spiked() -> None:
    op = product((1, 1, 1), np.stack(2 * [PhaseCode(2.0, 4).levels]), True, None, 0)
    a, b = np.full((1, 1, 1, 1), 3, np.int8), np.full((1, 1, 1, 1), 1, np.int8)
    sent = step(op, a, b, 0)
    assert sent.messages.keys() == {4} and sent.messages[4].item() == 0.25
    assert step(op, a, b * 0, 0).messages == {}


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("base, steps", GRID)
def test_square_sum(base: float, steps: int, planes: int) -> None:
    rng = np.random.default_rng(steps)
    code = PhaseCode(base, steps)
    codes = random_codes(rng, (1, 4, 6), steps, planes)
    codes[:, :, 0] = 0
    codes[0, :, 1], codes[1:, :, 1] = -1, 0
    weight = rng.uniform(0.1, 2, (1, 1, 6))
    op = SquareSum(shape=(1, 4, 1), trace=code.levels, weight=weight)
    x = np.where(codes == 0, 0, np.sign(codes) * code.levels[np.abs(codes) - 1]).sum(0)
    expected = (x**2 * weight).sum(-1, keepdims=True)
    assert np.allclose(
        op.closed_form(batch(codes[:, None]), dtype=torch.float64).values[0].numpy(),
        expected,
        rtol=ROUNDING,
        atol=ROUNDING,
    )
    stepped = sum(run(op, spikes(codes, 1, steps)).messages.values())
    assert np.allclose(stepped, expected, rtol=ROUNDING, atol=ROUNDING)

    trace = code.trace(9)
    shift = np.array([[[0, 2, 4, 10, 20, 30]]], np.int32)
    op = SquareSum(shape=(1, 4, 1), trace=trace, shift=shift, state_bits=24)
    total = [0] * 4
    for token in range(4):
        for d in range(6):
            held = 0
            for k in range(steps):
                z = int(signs(codes, k)[0, token, d])
                total[token] += toward_zero(
                    2 * held * z * int(trace[k]) + (z * int(trace[k])) ** 2, int(shift[0, 0, d])
                )
                held += z * int(trace[k])
    y = op.closed_form(batch(codes[:, None]), dtype=torch.float64).values
    assert y[0, 0, :, 0].tolist() == total
    potential, clips = clipped_sum(run(op, spikes(codes, 1, steps)), op.shape, 24)
    assert potential[0, :, 0].tolist() == total and clips == 0


def test_a_massive_feature_leaves_the_others_their_share() -> None:
    """One feature is 2^11 times the others in one token: a second word keeps what the others add in all other tokens."""
    code, features = PhaseCode(1.3, 40), 64
    codes = np.random.default_rng(0).integers(-code.steps, code.steps + 1, (1, 1, 8, features)).astype(np.int8)
    codes[..., 0] = 0
    codes[..., 0, 0] = 1
    trace, shift = code.trace_from(2047), np.full((1, 1, features), 22, np.int32)
    shift[..., 0] = 0
    value = np.where(codes == 0, 0, trace[np.abs(codes) - 1])[0, 0].astype(float)
    exact = np.floor((value**2 * 2.0 ** -shift[0, 0]).sum(-1))
    found = {}
    for bits in (0, 24):
        op = SquareSum(shape=(1, 8, 1), trace=trace, shift=shift, fraction_bits=bits, state_bits=24)
        found[bits] = op.closed_form(batch(codes[:, None])).values.numpy().reshape(8)
    assert (found[24] == exact).all() and exact[1:].min() > 1
    assert (found[0][1:] == 0).all()  # without it, nothing is left of them
