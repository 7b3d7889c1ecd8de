"""Any two operations after one another mean what torch means by them, or are refused: drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.lowering import UnsupportedModel
from processes.errors import DeployError
from tests.converters.modules import error, lowered, module, one_by_one
from tests.tolerances import FLOAT32

Function = Callable[[torch.Tensor], torch.Tensor]

SOURCES: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "linear": lambda m, x: m.a(x),
    "rectified": lambda m, x: F.relu(m.a(x)),
    "softmax": lambda m, x: m.a(x).softmax(-1),
    "norm": lambda m, x: F.layer_norm(m.a(x), (8,)),
    "attention": lambda m, x: F.scaled_dot_product_attention(m.a(x), m.b(x), x),
    "product": lambda m, x: m.a(x) * m.b(x),
    "maxima": lambda m, x: F.max_pool1d(m.a(x).mT, 2, 1).mT,
}
"""What the first operation reads: (N, tokens, 8)."""

POINTWISE: dict[str, Function] = {
    "gelu": F.gelu, "gelu by tanh": lambda v: F.gelu(v, approximate="tanh"), "silu": F.silu, "hardswish": F.hardswish,
    "mish": F.mish, "elu": F.elu, "celu": F.celu, "selu": F.selu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "exp": torch.exp,
    "softplus": F.softplus, "relu6": F.relu6, "hardsigmoid": F.hardsigmoid, "leaky": F.leaky_relu, "erf": torch.erf,
    "clamp": lambda v: v.clamp(-0.5, 0.7), "clamp above zero": lambda v: v.clamp(min=0.1), "square": lambda v: v**2,
    "cube": lambda v: v**3, "log": lambda v: torch.log(v.abs() + 1), "abs": torch.abs, "softsign": F.softsign, "sin": torch.sin,
    "tanhshrink": F.tanhshrink, "hardshrink": F.hardshrink, "threshold": lambda v: F.threshold(v, 0.1, 0.0), "neg": torch.neg,
    "log sigmoid": F.logsigmoid, "inverse": lambda v: 1 / (v.abs() + 1), "choice": lambda v: torch.where(v > 0, v, 0.1 * v),
    "fill": lambda v: v.masked_fill(v < 0, 0.0), "largest of a number": lambda v: torch.maximum(v, torch.tensor(0.2)),
    "square of relu": lambda v: F.relu(v) ** 2, "quick gelu": lambda v: v * torch.sigmoid(1.702 * v), "atan": torch.atan,
    "offsets": lambda v: ((v + 1).neg() * 0.5 + 3) / 2 - 1, "alpha": lambda v: v.add(v, alpha=0.5), "cos": torch.cos,
}  # fmt: skip
MOVED: dict[str, Function] = {
    "slice": lambda v: v[:, 1:], "every other": lambda v: v[:, ::2], "flip": lambda v: v.flip(1),
    "roll": lambda v: v.roll(1, 1),
    "repeat": lambda v: v.repeat(1, 2, 1), "chunk": lambda v: v.chunk(2, 1)[1], "take": lambda v: v[:, [0, -1]],
    "pad": lambda v: F.pad(v, (0, 0, 1, 2)), "pad by a number": lambda v: F.pad(v, (0, 0, 1, 0), value=0.3),
    "pad in a circle": lambda v: F.pad(v.mT, (1, 1), mode="circular").mT, "triangle": torch.tril,
    "windows": lambda v: v.unfold(1, 2, 2).sum(-1), "resized": lambda v: F.interpolate(v.mT, scale_factor=2, mode="linear").mT,
    "written": lambda v: v.index_fill(1, torch.tensor([0]), 0.4),
}  # fmt: skip
REDUCED: dict[str, Function] = {
    "cumsum": lambda v: v.cumsum(1), "mean": lambda v: v.mean(1, keepdim=True),
    "deviation": lambda v: v.std(1, correction=0, keepdim=True),
    "amax": lambda v: v.amax(1, keepdim=True), "softmax": lambda v: v.softmax(1), "log softmax": lambda v: v.log_softmax(1),
    "normalize": lambda v: F.normalize(v, dim=-1), "layer norm": lambda v: F.layer_norm(v, v.shape[-1:]),
    "rms norm": lambda v: F.rms_norm(v, v.shape[-1:]), "instance norm": F.instance_norm,
    "less the mean": lambda v: v - v.mean(1, True),
    "average": lambda v: F.avg_pool1d(v.mT, 2).mT, "maxima": lambda v: F.max_pool1d(v.mT, 2).mT,
    "attention": lambda v: v @ v.mT @ v,
    "log sum": lambda v: v.logsumexp(1, keepdim=True),
    "convolution": lambda v: F.conv1d(v.mT, torch.ones(8, 8, 3) / 9, padding=1).mT,
}  # fmt: skip
OPERATIONS = POINTWISE | MOVED | REDUCED


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(12))
def test_pairs(seed: int) -> None:
    """Sixty pairs, most of which convert; one that comes out wrong is told by name."""
    rng, converted, wrong = np.random.default_rng(seed), 0, []
    for _ in range(60):
        source, first, second = rng.choice(list(SOURCES)), *rng.choice(list(OPERATIONS), 2)

        def forward(m: Any, x: torch.Tensor, names: tuple[str, ...] = (source, first, second)) -> torch.Tensor:
            y = OPERATIONS[names[2]](OPERATIONS[names[1]](SOURCES[names[0]](m, x)))
            return m.c(y) if y.shape[-1] == 8 else y

        model = module(forward, a=nn.Linear(8, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 4))
        x = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(seed))
        try:
            expected = one_by_one(model, x)
        except (IndexError, RuntimeError, ValueError):  # no tokens are left
            continue
        if not bool(expected.isfinite().all()):
            continue
        try:
            apart = error(lowered(model, x), x, expected, ideal=True)
        except (UnsupportedModel, DeployError):
            continue
        converted += 1
        if not apart < FLOAT32:
            wrong.append((source, first, second, apart))
    assert not wrong and converted > 30
