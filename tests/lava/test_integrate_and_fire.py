"""Lava against the closed form: integrate-and-fire neurons that fire while their input arrives, one Process each or a block."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import processes.if_neuron.lava  # noqa: F401 - Lava comes before whatever starts processes
from converters.integrate_and_fire import Method, integrate_and_fire
from evaluator.compare import compare
from processes.network import IfNeuron
from targets import lava_sim
from tests.converters.modules import lowered, module


@pytest.mark.parametrize("method, granularity", [("qcfs", "operation"), ("snm", "block"), ("mst", "operation")])
def test_lava_fires_as_the_closed_form(method: Method, granularity: str) -> None:
    model = module(
        lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x)))).flatten(1)),
        a=nn.Conv2d(1, 3, 3), b=nn.Conv2d(3, 3, 3), c=nn.Linear(12, 3),
    )  # fmt: skip
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    masked = 0.25 if method == "mst" else 0.0
    net = integrate_and_fire(lowered(model, x), x.numpy(), method, 6, masked=masked)[0]
    run = lava_sim.run(net, x[:2].numpy(), granularity)
    found = compare(net, x[:2].numpy(), run)
    assert (found.mismatches, found.first) == (0, None)
    last = [name for name, node in net if isinstance(node.op, IfNeuron) and node.op.streams][-1]
    assert run.values[last].any()
    run.values[last].reshape(-1)[0] ^= 1
    assert compare(net, x[:2].numpy(), run).mismatches > 0
