"""Small modules for the converter's tests: a forward function and the tensors and layers that it uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate, encode, scale, uniform
from converters.capture import capture
from converters.lowering import lower
from evaluator.closed_form import ClosedForm
from processes.network import CalibratedNetwork, LoweredNetwork, Network, Stage
from processes.phase_code import PhaseCode

WINDOWS = (9, 5, 14, 7, 11)


def module(forward: Callable[..., torch.Tensor], **parts: Any) -> nn.Module:
    """A module whose forward is ``forward(self, x)``; parts become layers or buffers, with random weights."""

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                if isinstance(part, torch.Tensor):
                    self.register_buffer(name, part)
                else:
                    setattr(self, name, part)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return forward(self, x)

    torch.manual_seed(0)
    small = Small().eval()
    for layer in small.modules():  # layers made while a test file is imported have weights that differ from run to run
        if callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return small


def small_vit() -> nn.Module:
    """Depth 1, 12 x 12 image, patch 4, 16 features, 2 heads, weights with some spread."""
    torch.manual_seed(0)
    vit = timm.models.VisionTransformer(
        img_size=12, patch_size=4, in_chans=1, embed_dim=16, depth=1, num_heads=2, num_classes=5
    ).eval()
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return vit


def shrinking_attention() -> nn.Module:
    """One head on 16 features, the last of which meet weights a hundred times smaller than the first."""
    model = module(
        lambda m, x: m.b(F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x))),
        q=nn.Linear(16, 16), k=nn.Linear(16, 16), v=nn.Linear(16, 16), b=nn.Linear(16, 3),
    )  # fmt: skip
    with torch.no_grad():
        for layer in (model.q, model.k, model.v):  # type: ignore[attr-defined]
            layer.weight *= torch.logspace(0, -2, 16)
    return model


def gated() -> nn.Module:
    """Squeeze-and-excite on (1, 12, 12) pixels, then a gated layer on tokens whose one side comes later, and a square."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(m.c(x))
        x = x * F.hardsigmoid(m.e(torch.tanh(m.s(x.mean((2, 3), keepdim=True)))))
        x = m.p(x.flatten(2).transpose(1, 2))
        x = x + m.down(F.silu(m.gate(x)) * m.up(F.gelu(m.late(x))))
        return m.o((x * x).mean(1))

    return module(
        forward,
        c=nn.Conv2d(1, 4, 3, stride=4), s=nn.Conv2d(4, 2, 1), e=nn.Conv2d(2, 4, 1), p=nn.Linear(4, 8), gate=nn.Linear(8, 6),
        late=nn.Linear(8, 5), up=nn.Linear(5, 6), down=nn.Linear(6, 8), o=nn.Linear(8, 3),
    )  # fmt: skip


def apart() -> nn.Module:
    """A transformer's block on tokens (N, 3, 4) whose q, k and v are neurons of their own, and a head on their mean."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.norm(x)
        x = x + m.out(F.scaled_dot_product_attention(m.q(y), m.k(y), m.v(y)))
        return m.head((x + m.back(F.gelu(m.into(x)))).mean(1))

    sizes = {"q": (4, 4), "k": (4, 4), "v": (4, 5), "out": (5, 4), "into": (4, 6), "back": (6, 4), "head": (4, 3)}
    return module(forward, norm=nn.LayerNorm(4), **{name: nn.Linear(*size) for name, size in sizes.items()})


def mixture(count: int = 2, biased: bool = False) -> nn.Module:
    """A mixture of five experts of eight features each on tokens (N, 3, 4), ``count`` for each token, and a head on their mean.

    Softmax of all says which ones and how much of each; or a sigmoid how much, and with a bias beside it which ones.
    """

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        logits = m.router(x)
        scores = logits.sigmoid() if biased else logits.softmax(-1)
        places = (scores + m.bias if biased else scores).topk(count, -1)[1]
        weights = scores.gather(-1, places)
        weights = weights / weights.sum(-1, keepdim=True)
        routing = torch.zeros(1, 3, 5).scatter(-1, places, weights)
        features = F.relu(m.up(x)).unflatten(-1, (5, 8)) * routing.unsqueeze(-1)
        return m.head((x + m.down(features.flatten(-2))).mean(1))

    sizes = {"router": (4, 5), "up": (4, 40), "down": (40, 4), "head": (4, 3)}
    return module(
        forward, bias=torch.linspace(-1.0, 0.2, 5), **{name: nn.Linear(*size) for name, size in sizes.items()}
    )


def massive() -> nn.Module:
    """RMSNorm of tokens (N, 3, 4) whose first feature is thousands of times the others, in the tokens that it is fed by."""

    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.head(F.rms_norm(m.into(x) * m.gain, (4,), m.weight, 1e-3))

    gain, weight = torch.tensor([2.0**13, 1, 1, 1]), torch.tensor([0.01, 1, 1, 1])
    return module(forward, into=nn.Linear(4, 4), head=nn.Linear(4, 3), gain=gain, weight=weight)


def images(n: int, seed: int = 0) -> np.ndarray:
    """(n, 1, 12, 12) float32 in [0, 1]."""
    return np.random.default_rng(seed).random((n, 1, 12, 12), np.float32)


def lowered(model: nn.Module, x: torch.Tensor) -> LoweredNetwork:
    """The network in real units for samples like those of ``x`` (N, ...)."""
    return lower(capture(model, (x[:1],)), (1, *x.shape[1:]))


def spiking(model: nn.Module, x: torch.Tensor, code: PhaseCode, spikes: int = 1) -> CalibratedNetwork:
    """Calibrated on ``x``."""
    return calibrate(lowered(model, x), x.numpy(), code, spikes=spikes)


def uneven(model: nn.Module, x: torch.Tensor, spikes: int = 1) -> CalibratedNetwork:
    """Calibrated on ``x``, with windows of unequal length: no two nodes that follow each other have the same."""
    scaled, peaks = scale(lowered(model, x), x.numpy())
    plain = uniform(scaled, 1.5, spikes)
    sites = {n: replace(site, steps=WINDOWS[i % len(WINDOWS)]) for i, (n, site) in enumerate(plain.items())}
    return encode(scaled, sites, PhaseCode(1.5, WINDOWS[0]), peaks)


@torch.no_grad()
def one_by_one(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The module on samples in batches of one, as it was captured."""
    return torch.cat([model(sample[None]) for sample in x])


def error(network: Network, x: torch.Tensor, expected: torch.Tensor, ideal: bool = False) -> float:
    """Relative error of the network's outputs."""
    runner = ClosedForm(network, torch.float64, ideal)
    y = runner.run(x)
    return float((y.reshape(expected.shape) - expected).norm() / expected.norm())


def end_early(network: Stage) -> Stage:
    """Second spikes of every encoded node up to a step of its own for each feature."""
    network = network.copy()
    rng = np.random.default_rng(0)
    for name, node in list(network):
        op: Any = node.op
        if getattr(op, "spikes", 1) > 1:
            network.put(name, replace(op, latest=rng.integers(0, op.code.steps, op.scale.shape)))
    return network
