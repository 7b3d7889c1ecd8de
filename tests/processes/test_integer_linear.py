"""Products of spikes and weights by bytes: the same sums as of float32, and bounds that nothing on the way exceeds."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.backends import backend_named
from processes.backends import rows as prepared
from processes.backends.rows import MARGIN, Rows
from processes.kernels import limbs
from processes.phase_code import PhaseCode
from tests.processes.reference import batch, random_codes

NUMBA, TORCH = backend_named("numba"), backend_named("torch")
MODULE = sys.modules["processes.backends.numba.linear"]  # the package's name is that of its function


@pytest.fixture
def by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, whatever the processor has instructions for and however small the weights are."""
    monkeypatch.setattr(MODULE, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(MODULE, "PAYS", 0)
    monkeypatch.setattr(MODULE, "INPUTS", range(2, 2**16))


def reached(codes: np.ndarray, weight: np.ndarray, bias: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """The largest sum of positive, or of negative, terms of any output, (rows,), in exact integers."""
    values = np.concatenate([[0], trace, -trace[::-1]]).astype(np.int64)[codes.astype(np.int64)]  # (planes, R, in)
    terms = (
        (values[:, :, None] * weight.astype(np.int64))
        .transpose(1, 2, 0, 3)
        .reshape(*values.shape[1:2], len(weight), -1)
    )
    terms = np.concatenate([terms, np.broadcast_to(bias.astype(np.int64)[:, None], (*terms.shape[:2], 1))], -1)
    return np.maximum(terms.clip(0).sum(-1), -terms.clip(max=0).sum(-1)).max(-1)


@pytest.mark.usefixtures("by_bytes")
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1), planes=st.integers(1, 3), trace_bits=st.sampled_from([4, 11, 12]),
    inputs=st.integers(2, 70), steps=st.sampled_from([4, 40, 128]), any_order=st.booleans(),
)  # fmt: skip
def test_sums_are_those_of_float32_and_bounds_hold(
    seed: int, planes: int, trace_bits: int, inputs: int, steps: int, any_order: bool
) -> None:
    """A bound by bytes exceeds that by float32 by less than what sizes are rounded up by: one unit for each spike."""
    rng = np.random.default_rng(seed)
    trace = PhaseCode(1.15, steps).trace(trace_bits) * (rng.choice([1, -1], steps) if any_order else 1)
    trace = rng.permutation(trace) if any_order else trace
    weight = rng.integers(-127, 128, (5, inputs)).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, 5).astype(np.int32)
    codes = random_codes(rng, (4, inputs), steps, planes)
    one, other = (backend.linear(batch(codes), Rows(weight), bias, trace) for backend in (NUMBA, TORCH))
    assert torch.equal(one[0], other[0])
    torch.testing.assert_close(one[1], other[1])
    limit = reached(codes, weight, bias, trace)
    quick, plain = (
        backend.one_sided(batch(codes), one[0], Rows(weight), bias, trace).numpy() for backend in (NUMBA, TORCH)
    )
    assert (quick >= limit).all() and (plain >= limit).all()
    unit = np.abs(trace).max() // (127 // planes) + 1
    rounded_up = planes * unit * Rows(weight).largest_sum / 2
    assert (quick <= (1 + 2.0**-18) * (plain + rounded_up)).all()


@pytest.mark.usefixtures("by_bytes")
def test_sizes_that_are_rounded_down_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of the first test fails where sizes lose what bytes do not hold."""
    trace = PhaseCode(1.15, 40).trace(12)
    codes = np.full((1, 1, 60), 30, np.int16)  # small ones
    weight, bias, sizes = np.full((1, 60), 127, np.int8), np.zeros(1, np.int32), limbs.sizes
    y, _ = NUMBA.linear(batch(codes), Rows(weight), bias, trace)
    limit = reached(codes, weight, bias, trace)
    assert NUMBA.one_sided(batch(codes), y, Rows(weight), bias, trace).item() >= limit[0]
    monkeypatch.setattr(limbs, "sizes", lambda codes, table, out: sizes(codes, np.maximum(table, 1) - 1, out))
    assert NUMBA.one_sided(batch(codes), y, Rows(weight), bias, trace).item() < limit[0]


@pytest.mark.usefixtures("by_bytes")
def test_trains_of_more_spikes_than_a_byte_counts() -> None:
    """They are left to float32."""
    codes = np.repeat(np.arange(1, 131, dtype=np.int16)[:, None, None], 40, 2)  # 130 planes of one row of 40 inputs
    rows, trace, bias = Rows(np.full((2, 40), 3, np.int8)), np.ones(130, np.int64), np.zeros(2, np.int32)
    y, _ = NUMBA.linear(batch(codes), rows, bias, trace)
    assert y.tolist() == [[130.0 * 40 * 3] * 2]
    assert NUMBA.one_sided(batch(codes), y, rows, bias, trace).item() >= 130 * 40 * 3


@pytest.mark.usefixtures("by_bytes")
def test_the_largest_sums_there_are() -> None:
    """Weights and values at their ends, one sign: 128 times the upper bytes alone leave 32 bits."""
    trace = PhaseCode(1.15, 40).trace(12)
    weight = np.full((1, 3000), 127, np.int8)
    codes = np.ones((2, 1, 3000), np.int8)
    y, _ = NUMBA.linear(batch(codes), Rows(weight), np.zeros(1, np.int32), trace)
    total = 2 * 3000 * 127 * int(trace[0])
    assert total > 2**31 and y.item() == np.float32(total)
    assert NUMBA.one_sided(batch(codes), y, Rows(weight), np.zeros(1, np.int32), trace).item() >= total


@pytest.mark.usefixtures("by_bytes")
def test_a_lost_byte_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of the first test fails where the lower bytes are left out."""
    rng, trace = np.random.default_rng(0), PhaseCode(1.15, 40).trace(12)
    weight, bias = rng.integers(-127, 128, (5, 30)).astype(np.int8), np.zeros(5, np.int32)
    codes, join = batch(random_codes(rng, (4, 30), 40, 2)), limbs.join
    monkeypatch.setattr(limbs, "join", lambda high, low, bias, out: join(high, 0 * low, bias, out))
    found, right = (backend.linear(codes, Rows(weight), bias, trace)[0] for backend in (NUMBA, TORCH))
    assert not torch.equal(found, right)


def test_a_single_input_is_left_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's product of bytes is wrong for matrices of one column."""
    monkeypatch.setattr(MODULE, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(MODULE, "PAYS", 0)
    monkeypatch.setattr(MODULE, "_bytes", lambda a, b: pytest.fail("bytes were multiplied"))
    rows, trace, bias = Rows(np.full((5, 1), 7, np.int8)), PhaseCode(1.15, 4).trace(4), np.zeros(5, np.int32)
    codes = batch(np.ones((1, 1, 1), np.int8))
    y, _ = NUMBA.linear(codes, rows, bias, trace)
    assert y.tolist() == [[7.0 * int(trace[0])] * 5]
    assert NUMBA.one_sided(codes, y, rows, bias, trace).item() >= y.max().item()


def test_a_weight_of_minus_128_is_left_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its magnitude is no signed byte."""
    monkeypatch.setattr(MODULE, "multiplies_bytes", lambda: True)
    rows, trace = Rows(np.full((600, 600), -128, np.int8)), PhaseCode(1.15, 4).trace(4)
    monkeypatch.setattr(MODULE, "_bytes", lambda a, b: pytest.fail("bytes were multiplied"))
    codes = batch(np.ones((1, 1, 600), np.int8))
    y, _ = NUMBA.linear(codes, rows, np.zeros(600, np.int32), trace)
    bound = NUMBA.one_sided(codes, y, rows, np.zeros(600, np.int32), trace)
    assert y[0, 0].item() == -128 * 600 * int(trace[0]) and bound.item() >= 128 * 600 * int(trace[0])


@pytest.mark.usefixtures("by_bytes")
def test_a_trace_of_zeros_carries_nothing() -> None:
    """The last steps of a trace of few bits are zeros, and so is a part of a window that has only them."""
    rows, trace, bias = Rows(np.full((5, 40), 7, np.int8)), np.zeros(8, np.int64), np.arange(5, dtype=np.int32)
    codes = batch(np.ones((2, 3, 40), np.int8))
    y, norms = NUMBA.linear(codes, rows, bias, trace)
    assert y.tolist() == [[0, 1, 2, 3, 4]] * 3 and norms.tolist() == [0] * 3
    assert (NUMBA.one_sided(codes, y, rows, bias, trace) >= 4).all()


@pytest.mark.parametrize("together", [1, 50, 2**22])
def test_what_a_row_could_reach_does_not_depend_on_how_many_are_looked_at(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "TOGETHER", together)
    weight = np.random.default_rng(together).integers(-128, 128, (9, 20)).astype(np.int8)
    for rows in (weight, weight[::-1]):  # the largest row is in the first block, or in the last
        wide, found = rows.astype(np.int64), Rows(rows)
        assert found.largest_sum == np.abs(wide).sum(1).max()
        assert found.reach == np.sqrt((wide**2).sum(1).max()) * MARGIN
