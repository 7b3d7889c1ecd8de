"""What training of the examples takes for granted: attention of a new model is awake."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from torch import nn

FOLDER = Path(__file__).parents[2] / "examples" / "spiking"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.mark.parametrize("name", ["spikformer", "sdt2"])
def test_attention_of_a_new_model_is_awake(name: str) -> None:
    """With norms as PyTorch starts them, products of queries, keys and values are silent, and gradients are noise."""
    train = importlib.import_module("train")

    def gradient_and_rate(awake: bool) -> tuple[float, float]:
        torch.manual_seed(0)
        model = importlib.import_module(name).small(1)
        if awake:
            train.wake(model, train.BIASES.get(name, train.BIAS))
        rates: list[float] = []
        for key, module in model.named_modules():
            if key.endswith("attn_lif"):
                module.register_forward_hook(lambda _, __, spikes: rates.append(float(spikes.detach().mean())))
        model(torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))).square().sum().backward()
        return min(rates), float(nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]))

    asleep, awake = gradient_and_rate(False), gradient_and_rate(True)
    assert awake[0] > 0.05 > 0.001 > asleep[0]
    assert name != "sdt2" or asleep[1] > 1e4 * awake[1]  # norms of silence in a row
