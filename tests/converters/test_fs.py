"""FS neurons: step by step those of the publication, in both precisions, in a network and in a chain of its steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.pipeline import Variant, convert_module
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from processes.network import SiNeuron
from processes.si_neuron import calibration
from tests.converters.modules import module
from tests.stepped import step_samples

K = 8


def published(x: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Spikes (K, ...) and sum of d(t) z(t) of the FS neuron for ReLU, T = h = d = alpha 2^(K - t)."""
    v, total, spikes = x.copy(), np.zeros_like(x), []
    for t in range(1, K + 1):
        z = v >= alpha * 2.0 ** (K - t)
        v = v - z * alpha * 2.0 ** (K - t)
        total = total + z * alpha * 2.0 ** (K - t)
        spikes.append(z)
    return np.stack(spikes), total


def test_relu_neurons_step_as_published() -> None:
    x = np.random.default_rng(0).uniform(-3, 6, (50, 1, 8))
    digits = calibration.binary_digits(4.0, K)
    ones = np.ones((1, 1))
    op = SiNeuron(shape=(1, 8), function="relu", threshold=digits[None], reset=digits[None], output=digits, unit=ones)
    codes = op.closed_form(torch.from_numpy(x)).values
    alpha = 4.0 / (2**K - 1)
    spikes, values = published(x, alpha)
    found = np.stack([(codes.numpy() == t + 1).any(0) for t in range(K)])
    assert (found == spikes).all() and spikes.any(1).all() and not spikes.all()
    np.testing.assert_allclose(op.decoded(codes).numpy(), values, rtol=0, atol=1e-6)
    inside = (x >= 0) & (x <= 4)
    assert (x - values)[inside].max() < alpha and (x - values)[inside].min() > -1e-9  # what is left is cut off
    shifted, _ = published(x + alpha, alpha)
    assert (found != shifted).any()


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """Two layers of ReLU."""
    return module(
        lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x))))), a=nn.Linear(6, 12), b=nn.Linear(12, 12), c=nn.Linear(12, 3)
    )


@pytest.mark.parametrize("fixed", [False, True])
def test_networks_step_as_their_closed_form(net: nn.Module, fixed: bool) -> None:
    x = np.random.default_rng(1).random((16, 1, 6), np.float32)
    network = convert_module(net, [x], K, fixed=fixed, variant=Variant(method="fs")).network
    found = [op for _, node in network if isinstance(op := node.op, SiNeuron)]
    assert [op.function for op in found] == ["relu", "relu"]
    run = step_samples(network, x[:3])
    assert compare(network, x[:3], run).mismatches == 0
    name = next(name for name, node in network if isinstance(node.op, SiNeuron))
    run.values[name][0, 0].reshape(-1)[0] ^= 1
    assert compare(network, x[:3], run).mismatches > 0


def test_outputs_come_close_to_the_network(net: nn.Module) -> None:
    x = np.random.default_rng(1).random((16, 1, 6), np.float32)
    errors = []
    for steps in (4, 12):
        network = convert_module(net, [x], steps, fixed=False, variant=Variant(method="fs")).network
        with torch.no_grad():
            expected = net(torch.from_numpy(x)).double()
        runner = ClosedForm(network, torch.float64)
        errors.append(float((runner.run(x).reshape(expected.shape) - expected).norm() / expected.norm()))
    assert errors[1] < 0.6 * errors[0]  # what is left is mostly of the input's phase code
