"""Rounding weights so that errors cancel: integers, closer than each rounded alone, right on average."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.calibrate import calibrate
from converters.discretise import discretise, rounding
from converters.discretise.rounding import Moments, factor, moments, round_weights
from converters.scales import scale_of
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.kernels.rounded import compensate
from processes.network import ConvSynapse, DenseSynapse
from processes.phase_code import PhaseCode
from tests.converters.modules import lowered, shrinking_attention
from tests.tolerances import ROUNDING


def dense(weight: np.ndarray) -> DenseSynapse:
    return DenseSynapse(shape=(1, len(weight)), weight=weight, bias=np.zeros(len(weight)), trace=np.ones(1))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    inputs=st.integers(1, 150),
    outputs=st.integers(1, 5),
    limit=st.sampled_from([7, 127]),
)
def test_integers_within_the_limit_and_exact_on_average(seed: int, inputs: int, outputs: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(1, 1, (40, inputs)) @ rng.normal(size=(inputs, inputs)))
    x[:, rng.random(inputs) < 0.2] = 0  # inputs that never fire
    weight = rng.uniform(-limit, limit, (outputs, inputs))
    op = dense(weight)
    rounded, offset = round_weights(op, weight, limit, moments(op, x))
    assert (rounded == np.rint(rounded)).all() and np.abs(rounded).max() <= limit
    before, after = ((x.numpy() @ w.T).mean(0) for w in (weight, rounded))
    np.testing.assert_allclose(after + offset, before, rtol=1e4 * ROUNDING, atol=1e4 * ROUNDING * np.abs(before).max())


def test_errors_of_correlated_inputs_cancel() -> None:
    """64 inputs that follow 8 causes: errors in most directions cost nothing, so what is left is far smaller."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(512, 8)) @ rng.normal(size=(8, 64)) + 0.1 * rng.normal(size=(512, 64)))
    weight = rng.normal(0, 20, (32, 64)).clip(-127, 127)
    op = dense(weight)
    rounded, _ = round_weights(op, weight, 127, moments(op, x))
    error, nearest = (((x.numpy() @ (w - weight).T) ** 2).mean() for w in (rounded, np.rint(weight)))
    assert error < nearest / 8


def test_rows_are_rounded_alike_however_many_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that ended a row early, or a mean of another group, would show."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 40, (12, 3, 2, 2)).clip(-127, 127)
    op = ConvSynapse(shape=(1, 12, 4, 4), weight=weight, bias=np.zeros(12), trace=np.ones(1), groups=2)
    seen = moments(op, torch.from_numpy(rng.normal(1, 1, (20, 1, 6, 5, 5))))
    whole, offsets = round_weights(op, weight, 127, seen)
    for together in (1, 30, 61):  # of 12 weights a row
        monkeypatch.setattr(rounding, "TOGETHER", together)
        parts, own = round_weights(op, weight, 127, seen)
        assert (parts == whole).all()
        np.testing.assert_allclose(own, offsets, rtol=1e4 * ROUNDING, atol=1e4 * ROUNDING)
    assert (whole != np.rint(weight)).any() and len(seen.first) == 2


def test_the_factor_is_that_of_the_inverse() -> None:
    rows = np.random.default_rng(0).normal(size=(1, 60, 7)) @ np.random.default_rng(1).normal(size=(7, 7))
    seen = Moments(60, rows.sum(1), rows.swapaxes(1, 2) @ rows)
    _, damped, triangle = factor(seen, 0)
    assert (np.tril(triangle, -1) == 0).all() and (np.diag(triangle) > 0).all()
    np.testing.assert_allclose(triangle.T @ triangle @ damped, np.eye(7), atol=1e4 * ROUNDING)


def test_a_block_is_rounded_as_its_loop_says() -> None:
    """Bit for bit, also where the block is some columns of a larger matrix."""
    rng = np.random.default_rng(0)
    free, factor = rng.normal(0, 90, (50, 20)), np.triu(rng.normal(size=(6, 6))) + 4 * np.eye(6)
    wanted, rounded, errors = free.copy(), np.zeros((50, 20)), np.empty((50, 6))
    compensate(free[:, 5:11], rounded[:, 5:11], errors, factor, 127.0)
    for j in range(6):
        whole = np.rint(wanted[:, 5 + j]).clip(-127, 127)
        error = (wanted[:, 5 + j] - whole) / factor[j, j]
        assert (rounded[:, 5 + j] == whole).all() and (errors[:, j] == error).all()
        wanted[:, 6 + j : 11] -= np.outer(error, factor[j, j + 1 :])
    assert (np.abs(rounded) == 127).any() and (free == wanted).all()


def test_what_is_uncorrelated_or_unseen_is_rounded_to_nearest() -> None:
    weight = np.random.default_rng(0).uniform(-127, 127, (3, 20))
    op = dense(weight)
    white = Moments(100, np.zeros((1, 20)), 100 * np.eye(20)[None])
    assert (round_weights(op, weight, 127, white)[0] == np.rint(weight)).all()
    assert (round_weights(op, weight, 127, None)[0] == np.rint(weight)).all()


def test_moments_of_a_convolution_are_those_of_what_its_kernels_see() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(3, 1, 4, 9, 8)))
    weight = rng.normal(size=(6, 2, 3, 2))
    op = ConvSynapse(
        shape=(1, 6, 4, 4), weight=weight, bias=np.zeros(6), trace=np.ones(1),
        stride=(2, 2), padding=(1, 0), dilation=(1, 1), groups=2,
    )  # fmt: skip
    seen = moments(op, x)
    y = F.conv2d(x[:, 0], torch.from_numpy(weight), None, 2, (1, 0), 1, 2).swapaxes(0, 1).flatten(1).numpy()
    for g, rows in enumerate(np.split(weight.reshape(6, -1), 2)):
        np.testing.assert_allclose(rows @ seen.mean[g], y[3 * g : 3 * g + 3].mean(1), rtol=1e4 * ROUNDING)
        np.testing.assert_allclose(rows @ seen.covariance(g) @ rows.T, np.cov(y[3 * g : 3 * g + 3], bias=True))


def test_balanced_scales_use_the_weights_bits() -> None:
    """Inputs with small weights get up to B^(T/8) times their scale; those that a product ties together keep theirs."""
    model = shrinking_attention()
    x = torch.randn(64, 5, 16, generator=torch.Generator().manual_seed(0))
    code, errors = PhaseCode(1.15, 40), []
    expected = torch.cat([model(sample[None]) for sample in x]).detach()
    networks = []
    for balanced in (False, True):
        network = calibrate(lowered(model, x), x.numpy(), code, spikes=2, balanced=balanced)
        networks.append(network)
        runner = ClosedForm(discretise(network, x.numpy(), LOIHI2))
        errors.append(float((runner.real(runner.run(x.numpy())).reshape(expected.shape) - expected).norm()))
    for name, node in networks[0]:
        if node.op.fires and hasattr(node.op, "scale"):
            factor = scale_of(networks[1], name) / scale_of(networks[0], name)
            assert (factor >= 1 - ROUNDING).all() and factor.max() <= code.base**5 * (1 + ROUNDING)
            if name in ("q.neuron", "k.neuron", "v.neuron"):
                assert (factor == 1).all()
    first = scale_of(networks[1], "input.neuron") / scale_of(networks[0], "input.neuron")
    assert first.reshape(-1)[-1] == code.base**5
    assert errors[1] < errors[0]
