"""Elementwise products: closed form, stepper and the sum of the docstring, spike by spike."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.elementwise_product import ElementwiseProduct, largest
from processes.invariants import invariants
from processes.phase_code import PhaseCode
from tests.processes.reference import GRID, batch, clipped_sum, random_codes, run, spikes
from tests.tolerances import ROUNDING


def value(codes: np.ndarray, trace: np.ndarray) -> np.ndarray:
    """Sum of sign * trace_k over the planes of codes (planes, *shape), Python numbers."""
    total = np.zeros(codes.shape[1:], object)
    for plane in codes:
        for k, entry in enumerate(trace.tolist()):
            total = total + ((plane == k + 1).astype(object) - (plane == -(k + 1)).astype(object)) * entry
    return total


def finest(codes: list[PhaseCode], planes: tuple[int, int], bits: int) -> np.ndarray:
    """Integer traces (2, T) as fine as ``bits`` allow for neurons of so many spikes."""

    def fits(first: int) -> bool:
        traces = [code.trace_from(first) for code in codes]
        return largest(traces[0], planes[0]) * largest(traces[1], planes[1]) < 2 ** (bits - 1)

    first = bisect_left(range(1, 2 ** (bits - 1)), True, key=lambda first: not fits(first))
    assert first > 0 and fits(first) and not fits(first + 1)
    return np.stack([code.trace_from(first) for code in codes])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), grid=st.sampled_from(GRID), other=st.sampled_from([1.05, 1.15, 1.4, 2.0]),
    planes=st.tuples(st.integers(1, 3), st.integers(1, 3)), bits=st.sampled_from([10, 16]),
    late=st.sampled_from([-1.0, 0.0, 0.4, 1.0]), loud=st.booleans(),
)  # fmt: skip
def test_product(seed: int, grid: tuple, other: float, planes: tuple, bits: int, late: float, loud: bool) -> None:
    """Whatever the windows and bases: no partial sum is clipped, and all three agree, in integers exactly."""
    rng = np.random.default_rng(seed)
    (base, steps), shape = grid, (1, 3, 4)
    a, b = (random_codes(rng, shape, steps, p, signed=not loud) for p in planes)
    a[:, 0, 0] = 0
    if loud:  # every spike as early as it can be
        for codes in (a, b):
            codes[:, 0, 1] = np.minimum(np.arange(1, len(codes) + 1), steps)[:, None]
    start = int(late * steps)
    windows = (max(0, start), max(0, -start))
    codes = [PhaseCode(base, steps), PhaseCode(other, steps)]
    for traces, width in ((np.stack([code.levels for code in codes]), 0), (finest(codes, planes, bits), bits)):
        op = ElementwiseProduct(shape=shape, traces=traces, state_bits=width)
        expected = value(a, traces[0]) * value(b, traces[1])
        result = op.closed_form(batch(a[:, None]), batch(b[:, None]), dtype=torch.float64)
        stepped = run(op, spikes(a, windows[0], steps), spikes(b, windows[1], steps))
        if width:
            assert result.clips is None and (result.values[0].numpy() == expected).all()
            potential, clips = clipped_sum(stepped, shape, width)
            assert clips == 0 and (potential == expected).all()
        else:
            total = sum(stepped.messages.values(), np.zeros(shape))
            for found in (result.values[0].numpy(), total):
                assert np.allclose(found, expected.astype(float), rtol=ROUNDING, atol=ROUNDING)


def test_traces_that_multiply_beyond_the_potential_are_refused() -> None:
    """And shapes or windows that do not go together."""
    traces = np.stack([PhaseCode(1.5, 8).trace(11)] * 2)
    op = ElementwiseProduct(shape=(1, 4), traces=traces, state_bits=24)
    assert not list(invariants(op, [(1, 4), (1, 4)], [8, 8]))
    narrow = ElementwiseProduct(shape=(1, 4), traces=traces, state_bits=16)
    assert any("beyond 16 bits" in text for text in invariants(narrow, [(1, 4), (1, 4)], [8, 8]))
    assert not list(invariants(op, [(1, 4), (1, 1)], [8, 8]))
    assert list(invariants(op, [(1, 4), (1, 3)], [8, 8])) and list(invariants(op, [(1, 1), (1, 1)], [8, 8]))
    assert list(invariants(op, [(1, 4), (1, 4)], [8, 4]))


@pytest.mark.parametrize("spikes", [1, 2, 3])
def test_largest_is_reached_and_not_passed(spikes: int) -> None:
    trace = PhaseCode(1.3, 6).levels
    rng = np.random.default_rng(0)
    codes = random_codes(rng, (200,), 6, spikes)
    codes[:, 0] = np.arange(1, spikes + 1)
    values = np.abs(value(codes, trace).astype(float))
    assert values.max() == pytest.approx(largest(trace, spikes))
