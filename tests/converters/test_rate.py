"""Rate-coded ReLU networks: closed form and steps agree, error falls as 1/T, thresholds are the best ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.rate import fit_threshold, rate_coded
from evaluator.closed_form import ClosedForm
from evaluator.stepping import Recorder, step_through
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network, RateNeuron, Route
from tests.converters.modules import error, lowered, module, small_vit


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """Convolution, ReLU, a residual branch, pooling, a linear head."""
    return module(
        lambda m, x: m.head((F.relu(m.a(x)) + F.relu(m.b(F.relu(m.a(x))))).mean((2, 3))),
        a=nn.Conv2d(1, 6, 3, padding=1),
        b=nn.Conv2d(6, 6, 3, padding=1),
        head=nn.Linear(6, 4),
    )


def samples(n: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 1, 6, 6)).astype(np.float32))


def test_stepped_equals_closed_form_and_survives_nir(net: nn.Module) -> None:
    x = samples(8)
    network = rate_coded(lowered(net, x), x.numpy(), 12)
    network = Network.from_nir(network.to_nir())
    runner = ClosedForm(network, torch.float64)
    values: dict[str, np.ndarray] = {}
    fresh = samples(1, seed=3)
    runner.run(fresh, lambda name, op, result: values.__setitem__(name, result.values.clone().numpy()))
    times = timeline(network)
    stepped = Recorder(network, times)
    step_through(network, times, runner.encode(fresh)[0].numpy().astype(np.float64), stepped)
    fired = 0
    for name, node in network:
        if isinstance(node.op, RateNeuron):
            assert (stepped.values.get(name, 0) == values[name][:, 0]).all(), name
            fired += np.count_nonzero(values[name])
        elif not isinstance(node.op, Route):
            np.testing.assert_allclose(stepped.values[name], values[name][0], rtol=0, atol=1e-9)
    assert fired > 100


def test_error_falls_with_the_number_of_steps(net: nn.Module) -> None:
    x, held_out = samples(16), samples(16, seed=1)
    with torch.no_grad():
        expected = net(held_out).double()
    errors = [error(rate_coded(lowered(net, x), x.numpy(), t), held_out, expected) for t in (4, 16, 64, 256)]
    assert all(fine < 0.6 * coarse for coarse, fine in itertools.pairwise(errors))
    assert errors[-1] < 0.01


def test_threshold_clips_outliers_where_that_pays() -> None:
    rng = np.random.default_rng(0)
    activations = np.append(rng.random(10_000), 5.0)
    assert 1.0 <= 8 * fit_threshold(activations, 8) < 2.0
    assert fit_threshold(np.append(rng.random(10_000), 1.0), 200) * 200 == 1.0
    assert fit_threshold(np.zeros(5), 8) == 1.0


def test_transformers_are_refused() -> None:
    network = lowered(small_vit(), torch.rand(1, 1, 12, 12))
    with pytest.raises(DeployError, match=r"ReLU networks: '.*norm1"):
        rate_coded(network, np.zeros((1, 1, 12, 12), np.float32), 8)
