"""Lava against the closed form: k winners of groups, and small mixtures of experts whole, 0 mismatches in fixed point."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import processes.winners.lava  # noqa: F401 - Lava comes before whatever starts processes
from converters.calibrate import calibrate
from converters.capture import capture
from converters.coverage import spread
from converters.discretise import discretise
from converters.families import FAMILIES
from converters.front_end import split
from converters.lowering import lower
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.network import Network, Winners
from processes.phase_code import PhaseCode
from targets import lava_sim
from tests.converters.modules import mixture, spiking

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, while it builds and exports models


def races(network: Network) -> list[str]:
    """Nodes whose groups race."""
    return [name for name, node in network if isinstance(node.op, Winners)]


@pytest.mark.parametrize(
    "fixed, granularity, spikes, biased", [(False, "operation", 2, False), (True, "block", 3, True)]
)
def test_groups(fixed: bool, granularity: str, spikes: int, biased: bool) -> None:
    x = torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0))
    network = spiking(mixture(biased=biased), x, PhaseCode(1.4, 8), spikes)
    samples = np.concatenate([x[:1].numpy(), 0 * x[:1].numpy()])  # nothing but ties
    chosen = discretise(network, x.numpy(), LOIHI2) if fixed else network
    run = lava_sim.run(chosen, samples, granularity)
    found = compare(chosen, samples, run)
    assert races(chosen) and (found.mismatches, found.first) == (0, None)
    run.values[races(chosen)[0]].reshape(-1)[0] = 1 - run.values[races(chosen)[0]].reshape(-1)[0]
    assert compare(chosen, samples, run).mismatches > 0


@pytest.mark.parametrize(
    "name", ["transformers Mixtral", pytest.param("transformers Qwen2-MoE", marks=pytest.mark.exhaustive)]
)
def test_mixtures_of_experts_of_transformers(name: str) -> None:
    """A block each, two of four experts for every token; all spikes and potentials."""
    model, arguments = spread(next(family for family in FAMILIES if family.name == name).build)
    captured = capture(model, tuple(a[:1] for a in arguments))
    front = split(captured).front
    assert front is not None
    samples = front(*arguments)
    floating = calibrate(lower(captured, samples[:1].shape), samples, PhaseCode(1.5, 10), spikes=2)
    network = discretise(floating, samples, LOIHI2)
    found = compare(network, samples[:1], lava_sim.run(network, samples[:1], "block"))
    assert races(network) and (found.mismatches, found.first) == (0, None)
    assert found.compared_spikes > 1000 and found.ties == 0
