"""Lava against the closed form: max pooling behind neurons of one to three spikes, in both precisions and granularities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import processes.max_pool.lava  # noqa: F401 - Lava comes before whatever starts processes
from converters.discretise import discretise
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.network import MaxPool, Network
from processes.phase_code import PhaseCode
from targets import lava_sim
from tests.converters.modules import module, spiking


def network(fixed: bool, spikes: int) -> tuple[Network, np.ndarray]:
    """A ResNet's stem, whose pooled values a convolution and a residual read, a pool of signed values, one of all pixels."""

    def forward(m: nn.Module, x: torch.Tensor) -> torch.Tensor:
        y = F.max_pool2d(F.relu(m.a(x)), 3, 2, 1)
        return m.d(F.max_pool2d(y + m.b(y), 2, 1).amax((2, 3)))

    model = module(forward, a=nn.Conv2d(2, 4, 3), b=nn.Conv2d(4, 4, 3, padding=1), d=nn.Linear(4, 3))
    x = torch.randn(8, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    floating = spiking(model, x, PhaseCode(1.4, 8), spikes=spikes)
    return discretise(floating, x.numpy(), LOIHI2) if fixed else floating, x[:2].numpy()


@pytest.mark.parametrize(
    "fixed, granularity, spikes", [(True, "operation", 2), (False, "operation", 1), (True, "block", 3)]
)
def test_lava_pools_as_the_closed_form(fixed: bool, granularity: str, spikes: int) -> None:
    net, x = network(fixed, spikes)
    pools = [name for name, node in net if isinstance(node.op, MaxPool)]
    run = lava_sim.run(net, x, granularity)
    found = compare(net, x, run)
    assert len(pools) == 3 and (found.mismatches, found.first) == (0, None)
    assert all(run.values[name].any() for name in pools)
    run.values[pools[1]].reshape(-1)[0] = 1 - abs(run.values[pools[1]].reshape(-1)[0])
    assert compare(net, x, run).mismatches > 0
