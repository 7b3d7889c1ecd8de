"""Networks drawn at random: what is lowered, calibrated and discretised steps as its closed form says, spike for spike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from converters.pipeline import Variant, convert_module
from evaluator.closed_form import ClosedForm
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.network import CalibratedNetwork, FixedPointNetwork, Network
from processes.phase_code import PhaseCode
from processes.trace_product import exact
from tests.converters.modules import spiking
from tests.stepped import step_samples

FEATURES, TOKENS, STEPS = 4, 3, 8
PARTS = ("linear", "attention", "norm", "activation", "gate", "experts", "residual")
ACTIVATIONS = (nn.GELU, nn.SiLU, nn.ReLU, nn.Tanh)


class Attention(nn.Module):
    """Self-attention of two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(FEATURES, 3 * FEATURES), nn.Linear(FEATURES, FEATURES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, tokens, features) to the same shape."""
        heads = self.qkv(x).unflatten(-1, (3, 2, FEATURES // 2)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(*heads.unbind(0)).transpose(1, 2).flatten(2))


class Gate(nn.Module):
    """f(x) * g(x), neuron by neuron."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.gate, self.up, self.down = (nn.Linear(FEATURES, FEATURES) for _ in range(3))
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, tokens, features) to the same shape."""
        return self.down(self.activation(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    """Some of four experts of two features each, by softmax or by scores of either sign."""

    def __init__(self, count: int, signed: bool) -> None:
        super().__init__()
        self.router, self.up, self.down = nn.Linear(FEATURES, 4), nn.Linear(FEATURES, 8), nn.Linear(8, FEATURES)
        self.count, self.signed = count, signed

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, tokens, features) to the same shape."""
        scores = self.router(x).tanh() if self.signed else self.router(x).softmax(-1)
        values, places = scores.topk(self.count, -1)
        routing = torch.zeros_like(scores).scatter(-1, places, values)
        return self.down((F.relu(self.up(x)).unflatten(-1, (4, 2)) * routing.unsqueeze(-1)).flatten(-2))


class Branch(nn.Module):
    """x + f(x)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of a branch and the stream."""
        return x + self.inner(x)


class Pooled(nn.Module):
    """A convolution or none, a body on tokens, the mean of tokens, a classifier."""

    def __init__(self, stem: nn.Module | None, body: nn.Module) -> None:
        super().__init__()
        self.stem, self.body, self.head = stem, body, nn.Linear(FEATURES, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, 3)."""
        x = x if self.stem is None else F.relu(self.stem(x)).flatten(2).transpose(1, 2)
        return self.head(self.body(x).mean(1))


def part(kind: str, rng: np.random.Generator) -> nn.Module:
    """One part of a body, from FEATURES to FEATURES."""
    if kind == "linear":
        return nn.Linear(FEATURES, FEATURES)
    if kind == "attention":
        return Attention()
    if kind == "norm":
        return nn.Sequential(nn.LayerNorm(FEATURES), nn.Linear(FEATURES, FEATURES))
    if kind == "activation":
        activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]()
        return nn.Sequential(nn.Linear(FEATURES, FEATURES), activation, nn.Linear(FEATURES, FEATURES))
    if kind == "gate":
        return Gate(ACTIVATIONS[rng.integers(len(ACTIVATIONS))]())
    if kind == "experts":
        return Experts(int(rng.integers(1, 4)), bool(rng.integers(2)))
    if kind == "residual":
        return Branch(part(str(rng.choice(PARTS[:-1])), rng))
    raise ValueError(kind)


def draw(seed: int) -> tuple[nn.Module, np.ndarray]:
    """A model and samples (N, *input) for it. Consecutive seeds together have every part."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    kinds = [PARTS[seed % len(PARTS)], *rng.choice(PARTS, 2)]
    stem = nn.Conv2d(2, FEATURES, 2, stride=(2, 1), bias=bool(rng.integers(2))) if seed % 2 else None
    model = Pooled(stem, nn.Sequential(*(part(str(kind), rng) for kind in kinds))).eval()
    shape = (8, TOKENS, FEATURES) if stem is None else (8, 2, 4, 3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    return model, rng.normal(size=shape).astype(np.float32)


def check(network: Network, samples: np.ndarray) -> None:
    """Nothing differs, and something was there to differ."""
    found = compare(network, samples, step_samples(network, samples))
    assert (found.mismatches, found.first) == (0, None)
    assert found.compared_spikes > 0 and found.compared_potentials > 0


SPIKED, SIT = range(12), range(12, 16)
"""Seeds of networks by the two methods."""


def converted(seed: int) -> tuple[CalibratedNetwork, FixedPointNetwork, np.ndarray]:
    """A network drawn at random, in floating point and in integers, and its samples; the seed says by which method.

    One to three spikes; activations of the SIT method by fitted neurons or by schedules.
    """
    model, samples = draw(seed)
    if seed in SPIKED:
        network = spiking(model, torch.from_numpy(samples), PhaseCode(1.5, STEPS), spikes=1 + seed % 3)
        return network, discretise(network, samples, LOIHI2), samples
    variant = Variant(method="sit", activation="fitted" if seed % 2 else "schedule")
    found = convert_module(model, [samples], 12, spikes=1 + seed % 3, variant=variant)
    assert found.fixed is not None
    return found.calibrated, found.fixed, samples


@pytest.mark.parametrize("seed", [*SPIKED, *SIT])
def test_stepped_equals_closed_form(seed: int) -> None:
    """Samples of the calibration set, far beyond it, and zero."""
    floating, fixed, samples = converted(seed)
    check(floating, samples[:2])
    check(fixed, np.concatenate([samples[:1], 5 * samples[1:2], 0 * samples[:1]]))


def test_an_input_beyond_what_a_graded_spike_carries_is_clipped() -> None:
    """The stepper is given what the closed form encodes, so this cannot differ between them."""
    _, fixed, samples = converted(0)
    limit = 2 ** (LOIHI2.graded_bits - 1) - 1
    most = limit * fixed.header.input_unit / np.abs(samples).max()
    inside, beyond = (
        np.abs(ClosedForm(fixed).encode((n * most * samples).astype(np.float32)).numpy()) for n in (0.5, 4)
    )
    assert abs(int(inside.max()) - limit // 2) <= 1
    assert beyond.max() == limit and (beyond == limit).sum() > 1


def test_a_bound_that_promises_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that saturate, taken for ones that cannot."""
    _, fixed, samples = converted(1)
    check(fixed, 5 * samples[2:4])
    monkeypatch.setattr(exact, "magnitudes", lambda op, inputs, values: [torch.zeros_like(x) for x in values])
    with pytest.raises(AssertionError):
        check(fixed, 5 * samples[2:4])
