"""What training of the examples takes for granted: the fused neuron is the node, and attention of a new model is awake."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from converters.trained.nodes import MultiStepLIFNode
from tests.tolerances import ROUNDING

FOLDER = Path(__file__).parents[2] / "examples" / "spiking"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def ran(neuron: nn.Module | Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes, and the gradient of a weighted sum of them."""
    inputs = x.clone().requires_grad_()
    spikes = neuron(inputs)
    weights = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    return spikes.detach(), torch.autograd.grad((spikes * weights).sum(), inputs)[0]


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_fused_neuron_is_the_node(steps: int) -> None:
    x = 3 * torch.randn(steps, 5, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    node = MultiStepLIFNode(tau=2.0, v_threshold=0.5, detach_reset=True)
    expected, slope = ran(node, x)
    importlib.import_module("fused").fuse(node)
    spikes, found = ran(node, x)
    assert torch.equal(spikes, expected) and 0 < spikes.mean() < 1
    assert torch.allclose(found, slope, rtol=0, atol=ROUNDING) and found.abs().max() > 0.1
    _, other = ran(MultiStepLIFNode(tau=2.0, v_threshold=0.5, detach_reset=False), x)
    assert torch.allclose(found, other, rtol=0, atol=ROUNDING) == (steps == 1)  # a reset with a gradient is told apart


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
