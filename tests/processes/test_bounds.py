"""Bounds on sums of spikes: norms that no subset of the spikes exceeds, and rows of which a potential may have been clipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from processes.backends import backend_named
from processes.spikes import decode_bounded
from tests.processes.reference import batch, random_codes

NUMBA, TORCH = backend_named("numba"), backend_named("torch")
STEPS = 12


@pytest.mark.parametrize("backend", [NUMBA, TORCH])
@pytest.mark.parametrize("planes", [1, 2, 3])
@pytest.mark.parametrize("shape", [(7, 5), (3, 2, 16), (1, 5000), (300, 40)])
def test_norms_are_those_of_sizes(backend, planes: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    codes, trace = random_codes(rng, shape, STEPS, planes), rng.integers(1, 4000, STEPS)
    values, norms = backend.decode_norms(batch(codes), trace)
    sent = np.where(codes != 0, trace[abs(codes) - 1], 0)
    assert values.dtype == torch.float32 and (values.numpy() == (sent * np.sign(codes)).sum(0)).all()
    np.testing.assert_allclose(norms.numpy(), np.sqrt((sent.sum(0) ** 2.0).sum(-1)), rtol=1e-5)


@pytest.mark.parametrize("planes", [1, 2])
def test_norms_along_another_axis(planes: int) -> None:
    codes, trace = random_codes(np.random.default_rng(1), (3, 8, 6), STEPS, planes), np.arange(100, 100 - STEPS, -1)
    values, norms = decode_bounded(batch(codes), trace, -2)
    turned, own = decode_bounded(batch(codes.swapaxes(-1, -2)), trace)
    assert torch.equal(values, turned.swapaxes(-1, -2))
    np.testing.assert_allclose(norms.numpy(), own.numpy(), rtol=1e-6)


@given(st.integers(1, 40), st.integers(1, 6000), st.integers(0, 100))
def test_rows_that_may_clip_are_those_of_the_definition(rows: int, length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    limit = 1000
    norms = rng.integers(0, 1200, rows).astype(np.float32)
    reach = 1.5 * norms + 8  # what no potential of the row exceeds
    y = np.minimum(reach, limit)[:, None] * rng.uniform(-1, 1, (rows, length)).astype(np.float32)
    expected = [r for r in range(rows) if reach[r] + abs(y[r]).max() > 2 * limit]
    for backend in (NUMBA, TORCH):
        assert backend.may_clip(torch.from_numpy(y), torch.from_numpy(norms), 1.5, 8.0, limit).tolist() == expected


@pytest.mark.parametrize("backend", [NUMBA, TORCH])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("at", [0, 37, 5999])
def test_a_row_may_clip_from_one_beyond_the_limit_on(backend, sign: int, at: int) -> None:
    """The largest potential, of either sign and anywhere in its row, decides; one less and nothing clips."""
    y, norms, limit = torch.zeros((3, 6000)), torch.tensor([1200.0, 1200.0, 900.0]), 1000
    y[:, at] = sign * torch.tensor([800.0, 801.0, 900.0])
    assert backend.may_clip(y, norms, 1.0, 0.0, limit).tolist() == [1]
    assert backend.may_clip(y, norms, 1.0, 1.0, limit).tolist() == [0, 1]
    assert backend.may_clip(y[:1], norms[:1], 1.0, 0.0, limit).tolist() == []
