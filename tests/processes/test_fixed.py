"""Integer arithmetic: every case at small widths, random ones at full width, against Python integers."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from processes.chips import CHIPS, LOIHI2
from processes.errors import DeployError
from processes.fixed import (
    INT64_MAX,
    Mantissa,
    decay,
    largest,
    mul_shift,
    saturate,
    saturated,
    shift_toward_zero,
    to_integer,
    to_mantissa,
)

INT64 = st.integers(-(2**63), INT64_MAX)
SMALL = range(-32, 32)  # every 6-bit number


def truncated(x: int, bits: int) -> int:
    """x / 2^bits without its fraction, from exact rationals rather than from shifts."""
    return math.trunc(Fraction(x) / Fraction(2) ** bits)


def both(values: Any, dtype: str = "int64") -> list[Any]:
    """The same integers as a numpy array and as a torch tensor."""
    array = np.array(values, dtype=dtype)
    return [array, torch.from_numpy(array.copy())]


def same(result: Any, expected: Any) -> None:
    np.testing.assert_array_equal(np.asarray(result), np.asarray(expected))


@pytest.mark.parametrize("bits", range(-8, 9))
def test_shift_every_small_number(bits: int) -> None:
    expected = [truncated(x, bits) for x in SMALL]
    assert [shift_toward_zero(x, bits) for x in SMALL] == expected
    for dtype in ("int16", "int32", "int64"):
        for x in both(list(SMALL), dtype):
            result = shift_toward_zero(x, bits)
            same(result, expected)
            assert result.dtype == x.dtype


def test_shift_by_an_array_broadcasts() -> None:
    bits = np.arange(-6, 70)
    expected = [[truncated(x, int(b)) for b in bits] for x in SMALL]
    for x, by in zip(both(list(SMALL)), both(bits), strict=True):
        same(shift_toward_zero(x[:, None], by), expected)
    scalar: Any = np.int64(-7)
    assert shift_toward_zero(scalar, 1) == -3


@settings(deadline=None)
@given(INT64, st.integers(0, 80))
def test_shift_right_at_full_width(x: int, bits: int) -> None:
    assert shift_toward_zero(x, bits) == truncated(x, bits)
    for array in both([x]):
        same(shift_toward_zero(array, bits), [truncated(x, bits)])


@settings(deadline=None)
@given(st.integers(-(2**31), 2**31), st.integers(0, 31))
def test_shift_left_is_exact(x: int, bits: int) -> None:
    assert shift_toward_zero(x, -bits) == x * 2**bits
    for array in both([x]):
        same(shift_toward_zero(array, -bits), [x * 2**bits])


@pytest.mark.parametrize("bits", range(2, 8))
def test_saturate_every_small_number(bits: int) -> None:
    limit = 2 ** (bits - 1) - 1
    expected = [max(-limit, min(limit, x)) for x in SMALL]
    changed = sum(e != x for e, x in zip(expected, SMALL, strict=True))
    assert [saturate(x, bits) for x in SMALL] == expected
    assert sum(saturated(x, bits) for x in SMALL) == changed
    for dtype in ("int8", "int64", "float32"):
        for x in both(list(SMALL), dtype):
            result = saturate(x, bits)
            same(result, expected)
            assert result.dtype == x.dtype
            assert saturated(x, bits) == changed


@settings(deadline=None)
@given(hnp.arrays(np.int64, hnp.array_shapes(max_dims=3, min_side=0), elements=INT64), st.integers(2, 63))
def test_saturate_at_full_width(values: np.ndarray, bits: int) -> None:
    expected = [saturate(int(x), bits) for x in values.flat]
    changed = sum(e != x for e, x in zip(expected, values.flat, strict=True))
    for x in both(values):
        same(saturate(x, bits).reshape(-1), expected)
        assert saturated(x, bits) == changed


def test_saturate_leaves_types_that_cannot_exceed_the_width() -> None:
    for x in both([-(2**15), 2**15 - 1], "int16"):
        assert saturate(x, 24) is x
        assert saturated(x, 24) == 0


def test_mul_shift_and_decay_every_small_number() -> None:
    for a, b, shift in product(SMALL, range(-8, 8), range(-2, 12)):
        assert mul_shift(a, b, shift) == truncated(a * b, shift)
    for d in range(65):
        expected = [int(math.copysign(1, x)) * ((abs(x) * (64 - d)) >> 6) for x in SMALL]
        assert [decay(x, d, 6) for x in SMALL] == expected
        for x in both(list(SMALL), "int32"):
            same(decay(x, d, 6), expected)


@settings(deadline=None)
@given(st.lists(st.tuples(INT64, INT64), min_size=1, max_size=5), st.integers(0, 64))
def test_mul_shift_is_exact_or_refuses(pairs: list[tuple[int, int]], shift: int) -> None:
    a, b = ([int(x) for x in column] for column in zip(*pairs, strict=True))
    fits = max(map(abs, a)) * max(map(abs, b)) <= INT64_MAX
    for x, y in zip(both(a), both(b), strict=True):
        if fits:
            same(mul_shift(x, y, shift), [truncated(i * j, shift) for i, j in pairs])
        else:
            with pytest.raises(OverflowError, match="does not fit 64 bits"):
                mul_shift(x, y, shift)


@settings(deadline=None)
@given(
    st.lists(st.integers(-(2**23), 2**23), min_size=1, max_size=5),
    st.integers(-(2**39), 2**39),
    st.integers(-1, 30),
)
def test_mul_shift_widens_narrow_types(a: list[int], b: int, shift: int) -> None:
    expected = [truncated(x * b, shift) for x in a]
    for x in both(a, "int32"):
        result = mul_shift(x, b, shift)
        same(result, expected)
        assert str(result.dtype).endswith("int64")


@settings(deadline=None)
@given(st.integers(-(2**23), 2**23), st.integers(0, 4096))
def test_decay_is_loihis(x: int, d: int) -> None:
    expected = (-1 if x < 0 else 1) * ((abs(x) * (4096 - d)) >> 12)
    assert decay(x, d) == expected
    for array, by in zip(both([x], "int32"), both([d]), strict=True):
        same(decay(array, by), [expected])


def test_largest() -> None:
    assert largest(-3) == 3
    for x in both([-(2**63), 5]):
        assert largest(x) == 2**63
    for x in both(np.zeros((0, 4))):
        assert largest(x) == 0


# Mantissas

FINITE = st.floats(-1e30, 1e30, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-30 else x)


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3), elements=FINITE),
    st.integers(2, 24),
    st.booleans(),
    st.data(),
)
def test_mantissas_fill_their_width(values: np.ndarray, bits: int, signed: bool, data: st.DataObject) -> None:
    """Per row: exponent as small as fits, largest mantissa in the top half, error at most half a unit."""
    values = values if signed else np.abs(values)
    axis = data.draw(st.sampled_from([None, tuple(range(values.ndim)), *range(-1, values.ndim)]))
    result = to_mantissa(values, bits, axis, signed=signed)
    limit = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    assert result.limit == limit
    assert (result.mantissa.shape, result.mantissa.dtype) == (values.shape, np.dtype("int32"))
    unit = np.ldexp(1.0, np.broadcast_to(result.exponent, values.shape))
    assert np.all(np.abs(result.value() - values) <= unit / 2)

    axes = range(values.ndim) if isinstance(axis, tuple) else () if axis is None else (axis % values.ndim,)
    assert result.exponent.shape == tuple(n if i in axes else 1 for i, n in enumerate(values.shape))
    for row, exponent in np.ndenumerate(result.exponent):
        index = tuple(row[i] if i in axes else slice(None) for i in range(values.ndim))
        top, peak = int(np.abs(result.mantissa[index]).max()), Fraction(float(np.abs(values[index]).max()))
        if peak == 0:
            assert (exponent, top) == (0, 0)
        else:
            assert (limit + 1) // 2 <= top <= limit
            assert round(peak / Fraction(2) ** (int(exponent) - 1)) > limit


def test_weights_that_round_up_move_the_exponent() -> None:
    result = to_mantissa(np.array([[127.4, -1.0], [127.5, 1.0], [0.0, 0.0], [-0.3, 0.1]]), bits=8)
    np.testing.assert_array_equal(result.exponent, [[0], [1], [0], [-8]])
    np.testing.assert_array_equal(result.mantissa, [[127, -1], [64, 0], [0, 0], [-77, 26]])
    np.testing.assert_array_equal(result.value()[3], [-77 / 256, 26 / 256])


def test_mantissas_of_mantissas_are_themselves() -> None:
    """Rounding a second time changes nothing: a discretised network can be discretised again."""
    once = to_mantissa(np.random.default_rng(0).normal(size=(50, 70)), LOIHI2.weight_bits)
    twice = to_mantissa(once.value(), LOIHI2.weight_bits)
    np.testing.assert_array_equal(twice.mantissa, once.mantissa)
    np.testing.assert_array_equal(twice.exponent, once.exponent)


def test_mantissas_refuse_what_they_cannot_hold() -> None:
    with pytest.raises(DeployError, match="2 of 3 values to round are not finite"):
        to_mantissa(np.array([1.0, np.nan, np.inf]), 8)
    with pytest.raises(DeployError, match="unsigned mantissas cannot hold -2"):
        to_mantissa(np.array([1.0, -2.0]), 16, signed=False)
    with pytest.raises(DeployError, match="reach 128, 8 signed bits hold 127"):
        Mantissa(np.array([-128]), np.array([0]), 8)
    with pytest.raises(DeployError, match="16 unsigned bits"):
        Mantissa(np.array([-1]), np.array([0]), 16, signed=False)


def test_to_integer_rounds_halves_to_even() -> None:
    rounded = to_integer(np.array([0.5, 1.5, -2.5, 5.0]), np.array([0, 0, 0, 1]))
    np.testing.assert_array_equal(rounded, [0, 2, -2, 2])


# Chips


def test_loihi2_limits() -> None:
    chip = CHIPS["loihi2"]
    assert (chip.state_limit, chip.graded_limit, chip.trace_limit) == (8_388_607, 8_388_607, 4095)


@pytest.mark.parametrize("reach", [1e-12, 0.4, 0.26, 1.0, 7.3, 64.0, 1e4, 1e6])
def test_product_trace_is_the_largest_that_leaves_room(reach: float) -> None:
    """With P = product_trace_limit a potential of reach P^2 fits the state twice; with P + 1 it does not."""
    first = LOIHI2.product_trace_limit(reach)
    assert 1 <= first <= LOIHI2.trace_limit
    assert reach * first**2 * 2 <= LOIHI2.state_limit
    assert first == LOIHI2.trace_limit or reach * (first + 1) ** 2 * 2 > LOIHI2.state_limit
