"""Lava against the closed form: a whole SIT attention block, one Process per operation, 0 mismatches in fixed point."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import processes.si_exp.lava  # noqa: F401 - Lava comes before whatever starts processes
from converters.pipeline import Variant, convert_module
from evaluator.compare import compare
from processes.network import Network, SiExp, SiNeuron, SiNorm
from targets import lava_sim
from tests.converters.modules import module

SHAPE = (5, 8)


def attention_block(fixed: bool) -> tuple[Network, np.ndarray]:
    """LayerNorm, attention with two heads, residual, LayerNorm, MLP with a fitted GELU."""

    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        q, k, v = m.qkv(m.n1(x)).reshape(len(x), 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + m.o(y.transpose(1, 2).reshape(x.shape))
        return (x + m.down(torch.nn.functional.gelu(m.up(m.n2(x))))).mean(1)

    parts = {"n1": nn.LayerNorm(8), "qkv": nn.Linear(8, 24), "o": nn.Linear(8, 8), "n2": nn.LayerNorm(8)}
    block = module(forward, **parts, up=nn.Linear(8, 12), down=nn.Linear(12, 8))
    samples = torch.randn(16, *SHAPE, generator=torch.Generator().manual_seed(1)).numpy()
    variant = Variant(method="sit", activation="fitted")
    found = convert_module(block, [samples], 12, 2.0, spikes=6, input_spikes=6, fixed=fixed, variant=variant)
    return found.network, samples[:2]


@pytest.mark.parametrize("fixed, granularity", [(True, "operation"), (False, "block")])
def test_attention_block(fixed: bool, granularity: str) -> None:
    network, x = attention_block(fixed)
    assert {SiExp, SiNorm, SiNeuron} <= {type(node.op) for _, node in network}
    found = compare(network, x, lava_sim.run(network, x, granularity))
    assert found.mismatches == 0, found.first
    assert found.compared_spikes > 5000 and found.ties == 0
