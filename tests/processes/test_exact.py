"""Sums without stepping: equal to saturation at every step in arbitrary-precision Python, whatever the
bound says.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processes.backends import backend_of
from processes.backends.rows import Rows
from processes.phase_code import PhaseCode
from processes.synapse import exact
from processes.synapse.exact import SINGLE, accumulate, accumulate_rows, cuts, in_parts
from tests.processes.reference import batch, random_codes

LIMIT = 2**23 - 1
FULL = 127 * 4095  # what one spike at step 0 adds at most


def stepped(codes: np.ndarray, weight: np.ndarray, bias: np.ndarray, trace: np.ndarray, bits: int) -> tuple[list, int]:
    """The definition in Python integers: (rows, out) potentials and the number of clips."""
    limit, clips, potentials = 2 ** (bits - 1) - 1, 0, []
    w, b = weight.tolist(), bias.tolist()
    for row in np.moveaxis(codes, 1, 0).tolist():  # (planes, in)
        events = [
            [(j, 1 if c > 0 else -1) for plane in row for j, c in enumerate(plane) if abs(c) == k + 1]
            for k in range(len(trace))
        ]
        potentials.append([])
        for i in range(len(w)):
            v = 0
            for k, now in enumerate(events):
                v += int(trace[k]) * sum(w[i][j] * z for j, z in now) + (b[i] if k == 0 else 0)
                if abs(v) > limit:
                    clips, v = clips + 1, max(-limit, min(limit, v))
            potentials[-1].append(v)
    return potentials, clips


def total(clips: torch.Tensor | None) -> int:
    """Clips of all neurons."""
    return 0 if clips is None else int(clips.sum())


def check(codes: np.ndarray, weight: np.ndarray, bias: np.ndarray, trace: np.ndarray, bits: int) -> tuple[list, int]:
    """Both sums equal the definition; returns it."""
    expected = stepped(codes, weight, bias, trace, bits)
    w = torch.from_numpy(weight.astype(np.float32))
    y, clips = accumulate_rows(batch(codes), Rows(weight), bias, trace, bits)
    assert (y.tolist(), total(clips)) == expected
    offset = torch.from_numpy(bias.astype(np.int64))
    sizes = np.abs(weight.astype(int)).sum(1).max() * np.abs(trace)[: len(codes)].sum() + np.abs(bias).max()
    for reach in (sizes, np.inf):
        y, clips = accumulate(
            batch(codes),
            lambda x: x @ w.to(x.dtype).T,
            lambda x: x @ w.to(x.dtype).abs().T,
            lambda v: v + offset,
            trace,
            bits,
            reach,
        )
        assert (y.tolist(), total(clips)) == expected
    return expected


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    base=st.sampled_from([1.05, 1.15, 1.4, 2.0]),
    steps=st.sampled_from([4, 16, 40, 128]),
    planes=st.integers(1, 2),
    bits=st.sampled_from([9, 12, 16, 20, 24]),
    trace_bits=st.sampled_from([4, 11, 12]),
    size=st.integers(1, 60),
    near=st.booleans(),
)
def test_random_rows(
    seed: int, base: float, steps: int, planes: int, bits: int, trace_bits: int, size: int, near: bool
) -> None:
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1) - 1
    # ``near``: weights and spikes all large, early and of one sign, so that sums crowd the limit
    weight = rng.integers(100, 128, (3, size)) if near else rng.integers(-127, 128, (3, size))
    codes = random_codes(rng, (5, size), steps, planes, silent=0.0 if near else 0.3, signed=not near)
    codes[:, 0] = 0  # a row without a spike
    bias = rng.integers(-limit, limit + 1, 3).astype(np.int32)
    check(codes, weight.astype(np.int8), bias, PhaseCode(base, steps).trace(trace_bits), bits)


@pytest.mark.parametrize("over, clips", [(0, 0), (1, 1), (2, 1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_exactly_at_the_limit(over: int, clips: int, sign: int) -> None:
    """16 of the largest spikes and a bias that fills the rest: one more is one clip."""
    codes = np.ones((1, 1, 16), np.int8)
    weight = np.full((1, 16), 127 * sign, np.int8)
    bias = np.array([sign * (LIMIT - 16 * FULL + over)], np.int32)
    assert check(codes, weight, bias, PhaseCode(1.15, 40).trace(12), 24) == ([[sign * LIMIT]], clips)


@pytest.mark.parametrize("size", [17, 300, 3000])
def test_what_cancels_in_the_sum_still_saturates_on_the_way(size: int) -> None:
    """+ first, - later: the sum is small, but its first half lies over the limit; both bounds must see it."""
    codes = np.concatenate([np.full((1, 1, size), 1), np.full((1, 1, size), 2)], 2).astype(np.int8)
    weight = np.concatenate([np.full((1, size), 127), np.full((1, size), -127)], 1).astype(np.int8)
    _, clips = check(codes, weight, np.zeros(1, np.int32), PhaseCode(1.05, 4).trace(12), 24)
    assert clips >= 1


@pytest.mark.parametrize("size", [300, 3000])
def test_what_cancels_within_a_step_does_not_saturate(size: int) -> None:
    """The absolute sum lies far over the limit, yet no step does: stepping has to say so."""
    codes = np.full((1, 2, 2 * size), 1, np.int8)
    weight = np.tile(np.array([[127, -127]], np.int8), size)
    assert check(codes, weight, np.array([3], np.int32), PhaseCode(2.0, 4).trace(12), 24) == ([[3], [3]], 0)


@pytest.mark.parametrize("size", [16, 17, 32, 33, 200])
def test_a_second_spike_that_takes_back_half_of_the_first(size: int) -> None:
    """Decoded, +L_0 - L_1 is half of what the potential holds after the first step."""
    codes = np.stack([np.full((1, size), 1), np.full((1, size), -2)]).astype(np.int8)
    weight = np.full((1, size), 127, np.int8)
    _, clips = check(codes, weight, np.zeros(1, np.int32), PhaseCode(2.0, 4).trace(12), 24)
    assert (clips > 0) == (size > 16)


@settings(max_examples=40)
@example(pad=0)
@given(pad=st.integers(0, 400))
def test_cauchy_schwarz_is_met_with_equality(pad: int) -> None:
    """Weights proportional to the decoded values: the first bound is tight; around it one unit decides."""
    trace = PhaseCode(2.0, 8).trace(7)  # 127, 64, 32, ...
    codes = np.tile(np.arange(1, 9), 130)[None, None].astype(np.int8)
    weight = np.tile(trace, 130)[None].astype(np.int8)
    total = int((weight.astype(np.int64) ** 2).sum())
    for target in (LIMIT - 1, LIMIT, LIMIT + 1):
        bias = np.array([target - total + pad - 200], np.int32)
        check(codes, weight, bias, trace, 24)


def test_only_unsure_rows_are_stepped() -> None:
    """Rows on either side of the bound in one call."""
    rng = np.random.default_rng(1)
    codes = np.zeros((1, 4, 64), np.int8)
    codes[0, 1], codes[0, 2, :3], codes[0, 3] = 1, 4, rng.integers(-4, 5, 64)
    weight = rng.integers(90, 128, (2, 64)).astype(np.int8)
    _, clips = check(codes, weight, np.array([5, -7], np.int32), PhaseCode(1.4, 4).trace(12), 24)
    assert clips == 2


@pytest.mark.parametrize("planes, unsure", [(1, False), (2, True)])
def test_terms_of_one_sign_prove_what_norms_do_not(planes: int, unsure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the terms are negative: norms reach over the limit, no sum does. Twice the spikes, taken back later, do."""
    size = 30
    weight = np.tile(np.array([[127, -127]], np.int8), size // 2)
    codes = np.stack([np.full((1, size), 1), np.full((1, size), -1)])[:planes].astype(np.int8)
    trace = PhaseCode(2.0, 4).trace(12)
    reach = FULL * size / 2
    assert 2 * reach > LIMIT and (planes * reach > LIMIT) == unsure
    asked = []
    monkeypatch.setattr(exact, "in_parts", lambda *given: asked.append(1) or in_parts(*given))
    accumulate_rows(batch(codes), Rows(weight), np.zeros(1, np.int32), trace, 24)
    assert bool(asked) == unsure


@pytest.mark.parametrize("over", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_sided_sums_include_the_bias(over: int, sign: int) -> None:
    """Terms of the bias's sign come first and those of the other later, so that one unit of the bias decides."""
    codes = np.concatenate([np.full((1, 1, 12), 1), np.full((1, 1, 12), 2)], 2).astype(np.int8)
    weight = sign * np.concatenate([np.full((1, 12), 127), np.full((1, 12), -127)], 1).astype(np.int8)
    bias = np.array([sign * (LIMIT - 12 * FULL + over)], np.int32)
    _, clips = check(codes, weight.astype(np.int8), bias, PhaseCode(1.05, 4).trace(12), 24)
    assert clips == bool(over)


def way(codes: np.ndarray, weight: np.ndarray, bias: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Potentials (T, rows, out) at the end of every step, if nothing saturates, in exact integers."""
    z = np.stack([(codes == k + 1).astype(np.int64) - (codes == -(k + 1)) for k in range(len(trace))]).sum(1)
    return bias.astype(np.int64) + (trace.astype(np.int64)[:, None, None] * (z @ weight.astype(np.int64).T)).cumsum(0)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), planes=st.integers(1, 3), parts=st.integers(1, 8), held=st.floats(0, 0.9),
    steps=st.sampled_from([2, 4, 40, 128]), size=st.integers(1, 300), any_order=st.booleans(),
)  # fmt: skip
def test_parts_of_a_window_bound_every_step(
    seed: int, planes: int, parts: int, held: float, steps: int, size: int, any_order: bool
) -> None:
    """No step ends beyond what parts say; what they add up to is exact where that is below 2^23."""
    rng = np.random.default_rng(seed)
    trace = PhaseCode(1.15, steps).trace(11)
    trace = rng.permutation(trace) * rng.choice([1, -1], steps) if any_order else trace
    codes, weight = random_codes(rng, (5, size), steps, planes), rng.integers(-127, 128, (3, size)).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, 3).astype(np.int32)
    v, most = in_parts(batch(codes), Rows(weight), bias, trace, parts, held)
    potentials = way(codes, weight, bias, trace)
    assert (most.numpy() >= np.abs(potentials).max((0, 2))).all()
    exact = most.numpy() <= LIMIT
    assert (v.numpy()[exact] == potentials[-1][exact]).all()


def test_parts_prove_what_a_whole_window_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs alternate from step to step: terms of one sign lie over the limit, no sum does, and no row is stepped."""
    size, trace = 400, PhaseCode(1.05, 40).trace(11)
    codes = np.tile(np.arange(1, 41), size // 40)[None, None].repeat(3, 1).astype(np.int8)
    weight = np.tile(np.array([[30, -30]], np.int8), size // 2)
    codes[0, 1], codes[0, 2] = 0, 1  # a row without a spike, and one of a single step
    limit, bias = 2**21 - 1, np.array([5], np.int32)
    backend = backend_of(batch(codes))
    y, _ = backend.linear(batch(codes), Rows(weight), bias, trace)
    assert backend.one_sided(batch(codes), y, Rows(weight), bias, trace)[0] > 2 * limit
    monkeypatch.setattr(backend, "step_rows", lambda *given: pytest.fail("a row was stepped"))
    assert check(codes, weight, bias, trace, 22) == (way(codes, weight, bias, trace)[-1].tolist(), 0)


def test_a_part_that_forgets_what_came_before_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the potential at a part's beginning its bound falls below what the part reaches."""
    codes = np.repeat(np.arange(1, 13), 20)[None, None].astype(np.int8)
    weight, bias, trace = np.full((1, 240), 127, np.int8), np.zeros(1, np.int32), np.full(12, 2047)
    reached = np.abs(way(codes, weight, bias, trace)).max()
    assert in_parts(batch(codes), Rows(weight), bias, trace, 2, 0.0)[1].item() >= reached
    backend = backend_of(batch(codes))
    one_sided = backend.one_sided
    monkeypatch.setattr(backend, "one_sided", lambda codes, y, *rest: one_sided(codes, 0 * y, *rest))
    assert in_parts(batch(codes), Rows(weight), bias, trace, 2, 0.0)[1].item() < reached


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), steps=st.sampled_from([2, 4, 40]), parts=st.integers(1, 9), held=st.floats(0, 0.9),
    silent=st.booleans(),
)  # fmt: skip
def test_parts_cover_a_window_once(seed: int, steps: int, parts: int, held: float, silent: bool) -> None:
    """Each begins where the one before ends, the first at 0, and the last ends with the window; short ones are single steps."""
    rng = np.random.default_rng(seed)
    codes = batch(random_codes(rng, (3, 20), steps, 2)) * (not silent)
    found = cuts(codes, PhaseCode(1.15, steps).trace(11), parts, held)
    assert [step for begin, end in found for step in range(begin, end)] == list(range(steps))
    wide = [end - begin for begin, end in found if end > begin + 1]
    assert len(wide) <= parts and all(steps > SINGLE for steps in wide)
