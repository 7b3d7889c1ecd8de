"""Residual streams, centring and the readout: potentials in, potentials out, saturating as they go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.readout import Readout
from processes.residual import Centre, Residual
from tests.processes.reference import batch, currents, graded, run, toward_zero

SHAPE = (1, 3, 4)


@given(
    seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([8, 10, 16, 24]), branches=st.integers(1, 4),
    parameter=st.sampled_from([(1, 1, 4), (1, 3, 1), (1, 1, 1)]),
)  # fmt: skip
def test_residual_fixed(seed: int, bits: int, branches: int, parameter: tuple[int, ...]) -> None:
    """Each compartment saturates as it integrates; all are scaled to the common unit, and the sum
    saturates once.
    """
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1) - 1
    shifts = rng.integers(-4, 16, (branches, *parameter)).astype(np.int32)
    mantissas = rng.integers(1, 128, (branches, *parameter)).astype(np.int32)
    bias = rng.integers(-limit, limit + 1, (1, 3, 1)).astype(np.int32)
    parts = [[rng.integers(-limit, limit + 1, SHAPE) for _ in range(3)] for _ in range(branches)]
    held = []
    for windows in parts:
        v = np.zeros(SHAPE, np.int64)
        for part in windows:
            v = (v + part).clip(-limit, limit)
        held.append(v)
    op = Residual(shape=SHAPE, bias=bias, mantissas=mantissas, shifts=shifts, state_bits=bits)
    types = (np.float32, np.int32, np.int64)  # what synapses and what streams hand on, and any other
    result = op.closed_form(*(batch(v[None].astype(types[i % 3])) for i, v in enumerate(held)))
    closed = result.values
    stepped = run(op, *(currents(windows, 2 + i) for i, windows in enumerate(parts)))
    assert list(stepped.messages) == [4 + branches], "one message, when the last branch is complete"
    clips = 0
    for index in np.ndindex(SHAPE):
        total = int(np.broadcast_to(bias, SHAPE)[index])
        for v, m, s in zip(held, mantissas, shifts, strict=True):
            shift, x = int(np.broadcast_to(s, SHAPE)[index]), int(v[index]) * int(np.broadcast_to(m, SHAPE)[index])
            total += toward_zero(x, shift) if shift >= 0 else x << -shift
        clips += abs(total) > limit
        expected = max(-limit, min(limit, total))
        assert closed[0][index] == expected == stepped.last[index]  # type: ignore[index]
    assert result.clipped == clips


@given(seed=st.integers(0, 2**32 - 1), branches=st.integers(1, 4))
def test_residual_float(seed: int, branches: int) -> None:
    rng = np.random.default_rng(seed)
    bias = rng.normal(size=(1, 1, 4))
    values = [rng.normal(size=SHAPE) for _ in range(branches)]
    op = Residual(shape=SHAPE, bias=bias)
    expected = sum(values[1:], values[0]) + bias
    assert (op.closed_form(*(batch(v[None]) for v in values)).values[0].numpy() == expected).all()
    assert (op.ideal(*(batch(v[None]) for v in values))[0].numpy() == expected).all()
    # a stream that comes as a graded spike, and branches that are still integrating
    stepped = run(op, *(graded(v, 1) if i == 0 else currents([v, None], 2) for i, v in enumerate(values)))
    assert (stepped.last == expected).all()


@given(seed=st.integers(0, 2**32 - 1), bits=st.sampled_from([8, 16, 24]), n=st.integers(1, 200))
def test_centre_fixed(seed: int, bits: int, n: int) -> None:
    """M = sum x / n toward zero, in Python integers; n may exceed any weight's width."""
    rng = np.random.default_rng(seed)
    limit = 2 ** (bits - 1) - 1
    v = rng.integers(-limit, limit + 1, (1, 4, n))
    v[0, 0], v[0, 1], v[0, 2] = 0, -limit, np.where(np.arange(n) < n - 1, -limit, limit)
    op = Centre(shape=v.shape, state_bits=bits)
    result = op.closed_form(batch(v[None].astype(np.int32)))
    closed = result.values
    stepped = run(op, graded(v, 3))
    assert list(stepped.messages) == [3]
    clips = 0
    for row, (c, got) in enumerate(zip(closed[0, 0].tolist(), stepped.last[0].tolist(), strict=True)):  # type: ignore[index]
        values = v[0, row].tolist()
        total = sum(values)
        mean = abs(total) // n * (1 if total > 0 else -1)
        clips += sum(abs(x - mean) > limit for x in values)
        assert c == got == [max(-limit, min(limit, x - mean)) for x in values]
    assert result.clipped == clips


def test_centre_float() -> None:
    v = np.random.default_rng(0).integers(-8, 8, (1, 3, 8)).astype(float)  # sums and eighths are exact
    op = Centre(shape=v.shape)
    expected = v - v.mean(-1, keepdims=True)
    assert (op.closed_form(batch(v[None])).values[0].numpy() == expected).all()
    assert (run(op, graded(v, 0)).last == expected).all()


@pytest.mark.parametrize("bits", [0, 10])
def test_readout_integrates_one_window(bits: int) -> None:
    rng = np.random.default_rng(bits)
    parts = [rng.integers(-400, 400, SHAPE).astype(np.int64 if bits else np.float64) for _ in range(5)]
    op = Readout(shape=SHAPE, unit=np.ones((1, 1, 1)), state_bits=bits)
    v = np.zeros(SHAPE)
    for part in parts:
        v = (v + part).clip(-511, 511) if bits else v + part
    stepped = run(op, currents([parts[0], None, *parts[1:]], 2))
    assert list(stepped.messages) == [8] and (stepped.last == v).all()
    assert (op.closed_form(batch(v[None])).values[0].numpy() == v).all()
