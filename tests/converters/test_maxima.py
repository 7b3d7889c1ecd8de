"""Maxima of windows and along axes: lowered as torch means them, in spikes near them, and stepped as in closed form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate
from converters.discretise import discretise
from converters.lowering import UnsupportedModel
from converters.pipeline import Variant, convert_module
from converters.scales import scale_of
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.max_pool import MaxPool
from processes.network import DynamicThreshold, LoweredNetwork, Network, SiNeuron
from processes.phase_code import PhaseCode
from tests.converters.modules import error, lowered, module, one_by_one, spiking
from tests.stepped import step_samples
from tests.tolerances import CONVERGED, FLOAT32

FINE, COARSE = PhaseCode(1.02, 300), PhaseCode(1.5, 8)
IMAGE, TOKENS = (3, 8, 7), (5, 6)
Forward = Callable[[Any, torch.Tensor], torch.Tensor]


def normed(x: torch.Tensor) -> torch.Tensor:
    """LayerNorm with gains of both signs, which stay pending."""
    return F.layer_norm(x, (6,), torch.linspace(-1, 2, 6), torch.linspace(0, 1, 6))


def stem(m: Any, x: torch.Tensor) -> torch.Tensor:
    """What a ResNet begins with: the pooled values go to a convolution, and past it."""
    y = F.max_pool2d(F.relu(m.a(x)), 3, 2, 1)
    return y + m.b(y)


CASES: dict[str, tuple[Forward, tuple[int, ...]]] = {
    "windows": (lambda m, x: m.b(F.max_pool2d(F.relu(m.a(x)), 2)), IMAGE),
    "a ResNet's stem": (stem, IMAGE),
    "of the input": (lambda m, x: m.a(F.max_pool2d(x - 1, (3, 2), 2, 1)), IMAGE),
    "all negative": (lambda m, x: F.max_pool2d(-0.5 - F.relu(m.a(x)), (3, 2), 2, 1), IMAGE),
    "dilated": (lambda m, x: F.max_pool2d(m.a(x), (3, 2), (2, 1), (1, 0), (2, 1)), IMAGE),
    "ceil_mode": (lambda m, x: F.max_pool2d(m.a(x), 3, 2, ceil_mode=True), IMAGE),
    "gain and shift": (lambda m, x: F.max_pool2d(2 * F.relu(m.a(x)) + 1, 2), IMAGE),
    "negative gain": (lambda m, x: F.max_pool2d(1 - 2 * F.relu(m.a(x)), 2), IMAGE),
    "gain by pixel": (lambda m, x: F.max_pool2d(F.relu(m.a(x)) * m.g, 2), IMAGE),
    "padded after a shift": (lambda m, x: m.b(F.max_pool2d(F.relu(m.a(x)) - 1, 3, 1, 1)), IMAGE),
    "twice": (lambda m, x: F.max_pool2d(F.max_pool2d(m.a(x), 3, 1), 2), IMAGE),
    "before its activation": (lambda m, x: m.b(F.relu(F.max_pool2d(m.a(x), 2))), IMAGE),
    "gelu": (lambda m, x: m.b(F.max_pool2d(F.gelu(m.a(x)), 2)), IMAGE),
    "with places": (lambda m, x: F.max_pool2d(m.a(x), 2, return_indices=True)[0], IMAGE),
    "adaptive": (lambda m, x: F.adaptive_max_pool2d(m.a(x), (4, 1)), IMAGE),
    "adaptive, one axis": (lambda m, x: F.adaptive_max_pool1d(x, 2), TOKENS),
    "one axis": (lambda m, x: F.max_pool1d(x, 3, 2, 1, ceil_mode=True), TOKENS),
    "three axes": (lambda m, x: F.max_pool3d(x, (2, 3, 2), (1, 2, 2), (1, 1, 0)), (2, 4, 7, 4)),
    "over tokens": (lambda m, x: m.d(m.c(x).amax(1)), TOKENS),
    "over tokens of a norm": (lambda m, x: m.d(normed(m.c(x)).amax(1)), TOKENS),
    "over two axes, kept": (lambda m, x: m.b(F.relu(m.a(x)).amax((2, 3), keepdim=True)), IMAGE),
    "over features": (lambda m, x: m.c(x).amax(-1), TOKENS),
    "max along an axis": (lambda m, x: m.d(m.c(x).max(-2)[0]), TOKENS),
    "amax of everything": (lambda m, x: m.c(x).amax((-1, -2)), TOKENS),
}  # fmt: skip


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The module of a case, and samples."""
    forward, shape = CASES[name]
    parts = {
        "a": nn.Conv2d(3, 4, 3, padding=1), "b": nn.Conv2d(4, 4, 3, padding=1), "c": nn.Linear(6, 6), "d": nn.Linear(6, 3),
        "g": torch.linspace(0.5, 2, 7),
    }  # fmt: skip
    return module(forward, **parts), torch.randn(16, *shape, generator=torch.Generator().manual_seed(2))


@functools.cache
def network_of(name: str) -> LoweredNetwork:
    """The case in real units; passes leave it as it is."""
    return lowered(*made(name))


def pools(network: Network) -> list[str]:
    """Nodes that pool."""
    return [name for name, node in network if isinstance(node.op, MaxPool)]


def check(network: Network, x: np.ndarray) -> None:
    """Stepped, nothing differs, and a fault in what a pool sends is found."""
    found = compare(network, x, step_samples(network, x))
    assert (found.mismatches, found.first) == (0, None)
    first = pools(network)[0]

    def one_more(name: str, t: int, message: np.ndarray) -> None:
        if name == first:
            message.reshape(-1)[0] = 1 - abs(message.reshape(-1)[0])

    assert compare(network, x, step_samples(network, x, {0: one_more})).mismatches > 0


@pytest.mark.parametrize("name", CASES)
def test_it_means_what_torch_means(name: str) -> None:
    model, x = made(name)
    expected, network = one_by_one(model, x), network_of(name)
    assert pools(network) and error(network, x, expected, ideal=True) < FLOAT32
    assert error(calibrate(network, x.numpy(), FINE), x, expected) < CONVERGED


@pytest.mark.parametrize("spikes, name", [(1 + i % 3, name) for i, name in enumerate(CASES)])
def test_stepped_as_in_closed_form(spikes: int, name: str) -> None:
    """In floating point and in integers, for calibration samples, others far beyond them, and zero."""
    _, x = made(name)
    network = calibrate(network_of(name), x.numpy(), COARSE, spikes=spikes)
    check(network, x[:2].numpy())
    check(
        discretise(network, x.numpy(), LOIHI2), np.concatenate([x[:1].numpy(), 5 * x[1:2].numpy(), 0 * x[:1].numpy()])
    )


@pytest.mark.parametrize("seed", range(6))
def test_networks_at_random(seed: int) -> None:
    """Windows and activations drawn at random, by the whole pipeline: a code of its own for every neuron."""
    rng = np.random.default_rng(seed)
    kernel = rng.integers(2, 4, 2)
    geometry = (kernel.tolist(), rng.integers(1, 3, 2).tolist(), [int(rng.integers(k // 2 + 1)) for k in kernel])
    activation = (F.relu, F.gelu, F.silu, torch.tanh, nn.Identity(), torch.sigmoid)[seed]

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = F.max_pool2d(activation(m.a(x)), *geometry, ceil_mode=bool(seed % 2))
        return m.d((y + F.relu(m.b(y))).amax((2, 3)))

    model = module(forward, a=nn.Conv2d(2, 4, 3), b=nn.Conv2d(4, 4, 3, padding=1), d=nn.Linear(4, 3))
    x = rng.normal(size=(8, 2, 7, 8)).astype(np.float32)
    found = convert_module(model, [x], 10, None, spikes=None if seed % 2 else 1 + seed // 2, fixed=True)
    assert found.fixed is not None and len(pools(found.fixed)) == 2
    check(found.calibrated, x[:2])
    check(found.fixed, np.concatenate([x[:1], 5 * x[1:2]]))


def test_fitted_neurons_are_coded_again_before_they_race() -> None:
    """A later spike of theirs may be worth more than an earlier one."""
    model, x = made("gelu")
    variant = Variant(method="sit", activation="fitted")
    found = convert_module(model, [x.numpy()], 12, spikes=6, variant=variant)
    (pool,) = pools(found.network)
    source = found.network.nodes[pool].inputs[0]
    assert not isinstance(found.network[source], SiNeuron)
    assert any(isinstance(node.op, SiNeuron) for _, node in found.network)
    check(found.network, x[:2].numpy())


def test_a_gain_above_zero_waits_and_nothing_is_coded_again() -> None:
    """Of a norm whose gains have both signs, a second code is needed; of a positive gain, none."""
    waits, again = network_of("gain and shift"), network_of("over tokens of a norm")
    assert [node.op.name for _, node in waits if node.op.fires] == ["phase_neuron", "phase_neuron", "max_pool"]
    (pool,) = pools(again)
    assert not isinstance(again[again.origin(again.nodes[pool].inputs[0])], DynamicThreshold)


def test_scales_within_a_field_are_raised_to_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, features' spikes would not be comparable, which folding refuses."""
    _, x = made("over features")
    network = calibrate(network_of("over features"), x.numpy(), COARSE)
    (pool,) = pools(network)
    op = network[pool]
    assert (
        isinstance(op, MaxPool) and op.scale.size == 1 and np.ptp(scale_of(network, network.nodes[pool].inputs[0])) == 0
    )
    monkeypatch.setattr("converters.scales._level", lambda *_: None)
    with pytest.raises(DeployError, match="differ within a field"):
        calibrate(network_of("over features"), x.numpy(), COARSE)


@pytest.mark.parametrize(
    "forward, reason",
    [
        (lambda m, x: x.max(1)[1] * 1.0, "where the largest value is"),
        (lambda m, x: F.max_pool1d(x, 2, return_indices=True)[1] * 1.0, "where the largest value is"),
        (lambda m, x: x.max(), "no axes"),
    ],
)
def test_what_a_race_does_not_say_is_refused(forward: Forward, reason: str) -> None:
    with pytest.raises(UnsupportedModel, match=reason):
        lowered(module(forward), torch.randn(2, *TOKENS))


def test_a_branch_that_is_always_zero_is_converted() -> None:
    """A ResNet that has not been trained begins so: the last norm of every block has a gain of 0."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.d(F.relu(x + m.n(m.a(x))).mean((2, 3)))

    model = module(forward, a=nn.Conv2d(3, 3, 3, padding=1), n=nn.BatchNorm2d(3), d=nn.Linear(3, 2)).eval()
    nn.init.zeros_(model.n.weight)  # type: ignore[union-attr]
    nn.init.zeros_(model.n.bias)  # type: ignore[union-attr]
    x = torch.randn(8, *IMAGE, generator=torch.Generator().manual_seed(0))
    network = discretise(spiking(model, x, COARSE), x.numpy(), LOIHI2)
    found = compare(network, x[:2].numpy(), step_samples(network, x[:2].numpy()))
    assert found.mismatches == 0 and found.compared_spikes > 0
