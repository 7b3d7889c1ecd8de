"""Mixtures of experts and the largest values of rows: lowered as torch means them, stepped as in closed form, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate
from converters.capture import capture
from converters.discretise import discretise
from converters.experts import MARKS, dense_experts
from converters.lowering import UnsupportedModel
from converters.scales import scale_of
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.network import Network
from processes.phase_code import PhaseCode
from processes.winners import Winners
from tests.converters.modules import error, lowered, mixture, module, one_by_one, spiking
from tests.stepped import step_samples
from tests.tolerances import FLOAT32

TOKENS, EXPERTS = (3, 4), 6
Forward = Callable[[Any, torch.Tensor], torch.Tensor]


def back(places: torch.Tensor, values: torch.Tensor | float) -> torch.Tensor:
    """Values at their places, zeros elsewhere."""
    return torch.zeros(1, 3, EXPERTS).scatter(-1, places, values)


def shares(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Mixtral's: softmax of all, divided by what the chosen have of it."""
    values, places = m.a(x).softmax(-1).topk(2, -1)
    values /= values.sum(-1, keepdim=True)
    return m.b(back(places, values))


def of_chosen(m: Any, x: torch.Tensor) -> torch.Tensor:
    """gpt-oss's: softmax of the chosen logits, which may all be negative."""
    values, places = (m.a(x) - 2).topk(3, -1)
    return m.b(back(places, values.softmax(-1)))


def biased(m: Any, x: torch.Tensor) -> torch.Tensor:
    """DeepSeek's: a bias says which, a sigmoid how much."""
    scores = m.a(x).sigmoid()
    places = (scores + m.bias).topk(2, -1)[1]
    values = scores.gather(-1, places)
    return m.b(back(places, 2.5 * values / (values.sum(-1, keepdim=True) + 1e-20)))


def one_group(m: Any, x: torch.Tensor) -> torch.Tensor:
    """DeepSeek's with a single group, which is always chosen."""
    scores = m.a(x).sigmoid()
    group = scores.view(1, 3, 1, EXPERTS).topk(2, -1)[0].sum(-1)
    mask = torch.zeros_like(group).scatter_(-1, group.topk(1, -1)[1], 1)
    mask = mask.unsqueeze(-1).expand(-1, -1, -1, EXPERTS).reshape(1, 3, EXPERTS)
    places = scores.masked_fill(~mask.bool(), -torch.inf).topk(2, -1)[1]
    return m.b(back(places, scores.gather(-1, places)))


def unreachable(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Llama 4's: a sigmoid of the chosen logits, and of minus infinity at all others."""
    values, places = m.a(x).topk(2, -1)
    return m.b(torch.full((1, 3, EXPERTS), -torch.inf).scatter(-1, places, values).sigmoid())


CASES: dict[str, Forward] = {  # without ties, which torch leaves open
    "shares": shares,
    "softmax of the chosen": of_chosen,
    "a bias to choose by": biased,
    "one group": one_group,
    "minus infinity elsewhere": unreachable,
    "places alone": lambda m, x: m.b(back(F.gelu(m.a(x)).topk(2, -1)[1], 1.0)),
    "one of them": lambda m, x: m.b(back(*m.a(x).softmax(-1).topk(1, -1)[::-1])),
    "all of them": lambda m, x: m.b(back(*m.a(x).topk(EXPERTS, -1)[::-1])),
    "their sum": lambda m, x: x + m.a(x).topk(2, -1)[0].sum(-1, keepdim=True),
    "a function of them": lambda m, x: m.b(
        (lambda found: back(found[1], found[0].sigmoid() * 3))(m.a(x).topk(2, -1))
    ),
    "gain and shift": lambda m, x: m.b(back(*(2 * F.silu(m.a(x)) + 1).topk(2, -1)[::-1])),
    "negative gain": lambda m, x: m.b(back(*(1 - 2 * F.silu(m.a(x))).topk(2, -1)[::-1])),
    "gain by feature": lambda m, x: m.b(back(*(F.silu(m.a(x)) * m.gain).topk(2, -1)[::-1])),
}  # fmt: skip


def made(forward: Forward) -> tuple[nn.Module, torch.Tensor]:
    """A module and samples."""
    parts = {"bias": torch.linspace(-1, 0.4, EXPERTS), "gain": torch.linspace(-1, 2, EXPERTS)}
    model = module(forward, a=nn.Linear(4, EXPERTS), b=nn.Linear(EXPERTS, 3), **parts)
    return model, torch.randn(16, *TOKENS, generator=torch.Generator().manual_seed(2))


def races(network: Network) -> list[str]:
    """Nodes whose groups race."""
    return [name for name, node in network if isinstance(node.op, Winners)]


@pytest.mark.parametrize("name", CASES)
def test_it_means_what_torch_means(name: str) -> None:
    model, x = made(CASES[name])
    network = lowered(model, x)
    assert error(network, x, one_by_one(model, x), ideal=True) < FLOAT32
    assert bool(races(network)) == (name != "all of them")


@pytest.mark.parametrize(
    "spikes, name", [(1, "shares"), (3, "softmax of the chosen"), (2, "a bias to choose by"), (2, "negative gain")]
)
def test_stepped_as_in_closed_form(spikes: int, name: str) -> None:
    """In floating point and in integers, for calibration samples, others far beyond them, and zero; and a fault is found."""
    model, x = made(CASES[name])
    network = spiking(model, x, PhaseCode(1.5, 8), spikes)
    for race in races(network):  # those that are compared have one scale
        assert np.ptp(scale_of(network, network.nodes[race].inputs[0])) == 0
    far = np.concatenate([x[:1].numpy(), 5 * x[1:2].numpy(), 0 * x[:1].numpy()])
    for each in (network, discretise(network, x.numpy(), LOIHI2)):
        found = compare(each, far, step_samples(each, far))
        assert (found.mismatches, found.first) == (0, None)
    first = races(network)[0]

    def another(name: str, t: int, message: np.ndarray) -> None:
        if name == first:
            message.reshape(-1)[0] = 1 - message.reshape(-1)[0]

    assert compare(network, far, step_samples(network, far, {0: another})).mismatches > 0


@pytest.mark.parametrize("count, biased", [(1, False), (2, True)])
def test_mixtures_come_near_the_model(count: int, biased: bool) -> None:
    """By default codes; choices that near ties turn the other way are in it."""
    x = torch.randn(32, 3, 4, generator=torch.Generator().manual_seed(0))
    model = mixture(count, biased)
    network, expected = lowered(model, x), one_by_one(model, x)
    assert error(network, x, expected, ideal=True) < FLOAT32
    coarse, fine = (calibrate(network, x.numpy(), code, spikes=2) for code in (PhaseCode(1.6, 6), PhaseCode(1.15, 40)))
    assert error(fine, x, expected) < error(coarse, x, expected)


def groups(m: Any, x: torch.Tensor) -> torch.Tensor:
    """DeepSeek's with three groups, of which the input says which two."""
    scores = m.a(x).sigmoid()
    group = scores.view(1, 3, 3, 2).topk(2, -1)[0].sum(-1)
    mask = torch.zeros_like(group).scatter_(-1, group.topk(2, -1)[1], 1)
    mask = mask.unsqueeze(-1).expand(-1, -1, -1, 2).reshape(1, 3, EXPERTS)
    places = scores.masked_fill(~mask.bool(), -torch.inf).topk(2, -1)[1]
    return m.b(back(places, scores.gather(-1, places)))


REFUSED: dict[str, tuple[Forward, str]] = {
    "the largest in order": (lambda m, x: m.a(x).topk(4, -1)[0] + x, "another operand|order"),
    "the smallest": (lambda m, x: m.b(back(*m.a(x).topk(2, -1, largest=False)[::-1])), "the smallest values"),
    "along tokens": (lambda m, x: x.topk(2, 1)[0].sum(1), "another axis than the last"),
    "over others": (
        lambda m, x: m.b(torch.ones(1, 3, EXPERTS).scatter(-1, m.a(x).topk(2, -1)[1], 0.0)), "over others than zeros",
    ),
    "minus infinity that is read": (
        lambda m, x: m.b(torch.full((1, 3, EXPERTS), -torch.inf).scatter(-1, *m.a(x).topk(2, -1)[::-1]).tanh()),
        "minus infinity",
    ),
    "of another race": (
        lambda m, x: m.b(back(m.a(x).topk(2, -1)[1], m.a(-x).topk(2, -1)[0])), "by another race",
    ),
    "groups of groups": (groups, "chosen within chosen groups"),
    "places that are read": (lambda m, x: x[:, :, :2] * m.a(x).topk(2, -1)[1], "different races"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_their_order_is_refused(name: str) -> None:
    forward, message = REFUSED[name]
    model, x = made(forward)
    with pytest.raises(UnsupportedModel, match=message):
        lowered(model, x)


class Experts(nn.Module):
    """Stacked weights as transformers holds them; chosen experts alone compute, token by token."""

    def __init__(self, transposed: bool, gate: bool, bias: bool, norm: bool) -> None:
        super().__init__()
        self.is_transposed, self.has_gate, self.has_bias, self.has_post_expert_norm = transposed, gate, bias, norm
        self.num_experts = EXPERTS
        wide = 4 if gate else 2

        def weight(rows: int, columns: int) -> nn.Parameter:
            shape = (columns, rows) if transposed else (rows, columns)
            return nn.Parameter(torch.randn(EXPERTS, *shape))

        self.down_proj = weight(4, 2)
        setattr(self, "gate_up_proj" if gate else "up_proj", weight(wide, 4))
        if bias:
            self.down_proj_bias = nn.Parameter(torch.randn(EXPERTS, 4))
            setattr(self, f"{'gate_up_proj' if gate else 'up_proj'}_bias", nn.Parameter(torch.randn(EXPERTS, wide)))
        if norm:
            self.post_expert_norm = nn.LayerNorm(4)
        self.act_fn = nn.SiLU()

    def _apply_gate(self, features: torch.Tensor) -> torch.Tensor:
        gate, up = features.chunk(2, -1)
        return self.act_fn(gate) * up

    def forward(self, hidden: torch.Tensor, chosen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        name, out = "gate_up_proj" if self.has_gate else "up_proj", torch.zeros_like(hidden)
        for token, k in np.ndindex(*chosen.shape):
            e = int(chosen[token, k])
            up, down = (getattr(self, n)[e] for n in (name, "down_proj"))
            up, down = (w.T if self.is_transposed else w for w in (up, down))
            y = F.linear(hidden[token], up, getattr(self, f"{name}_bias")[e] if self.has_bias else None)
            y = self._apply_gate(y) if self.has_gate else self.act_fn(y)
            y = F.linear(y, down, self.down_proj_bias[e] if self.has_bias else None)
            y = self.post_expert_norm(y) if self.has_post_expert_norm else y
            out[token] += weights[token, k] * y
        return out


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("gate, bias, norm", [(True, False, False), (False, True, False), (True, True, True)])
def test_dense_experts_compute_what_chosen_ones_do(transposed: bool, gate: bool, bias: bool, norm: bool) -> None:
    """Without it, what is captured would be one token's choice; weights that are not the routing's show."""
    torch.manual_seed(0)
    experts = Experts(transposed, gate, bias, norm).eval()
    assert all(hasattr(experts, mark) for mark in MARKS)
    hidden, (weights, chosen) = torch.randn(5, 4), torch.rand(5, EXPERTS).topk(2, -1)
    expected = experts(hidden, chosen, weights)
    with dense_experts(nn.Sequential(experts)):
        assert "forward" in vars(experts)
        found = experts(hidden, chosen, weights)
        other = experts(hidden, chosen, weights.flip(-1))
    assert "forward" not in vars(experts) and torch.equal(experts(hidden, chosen, weights), expected)
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5) and not torch.allclose(other, expected, atol=1e-2)


def test_experts_are_themselves_again_after_an_error() -> None:
    experts = Experts(False, True, False, False)

    def captured() -> None:
        with dense_experts(experts):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        captured()
    assert "forward" not in vars(experts)


def test_a_layer_of_experts_is_captured_whole() -> None:
    """A router and stacked experts, of which each token has two, whatever the example that is captured chooses."""

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router, self.experts = nn.Linear(4, EXPERTS), Experts(False, True, False, False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weights, places = self.router(x[0]).softmax(-1).topk(2, -1)
            return self.experts(x[0], places, weights)[None]

    torch.manual_seed(0)
    model, x = Layer().eval(), torch.randn(8, *TOKENS)
    assert not any("index" in str(node.target) for node in capture(model, (x[:1],)).graph.nodes)
    assert error(lowered(model, x), x, one_by_one(model, x), ideal=True) < FLOAT32
