"""Lava against the closed form: elementwise products, one Process per operation, 0 mismatches in fixed point."""

from __future__ import annotations

import torch

import processes.elementwise_product.lava  # noqa: F401 - Lava comes before whatever starts processes
from converters.discretise import discretise
from evaluator.compare import compare
from processes.chips import LOIHI2
from processes.network import ElementwiseProduct
from processes.phase_code import PhaseCode
from targets import lava_sim
from tests.converters.modules import gated, images, spiking


def test_gates() -> None:
    x = images(6)
    network = discretise(spiking(gated(), torch.from_numpy(x), PhaseCode(1.3, 16), spikes=2), x, LOIHI2)
    assert sum(isinstance(node.op, ElementwiseProduct) for _, node in network) == 3
    samples = x[:2] * 2
    found = compare(network, samples, lava_sim.run(network, samples, "operation"))
    assert (found.mismatches, found.first) == (0, None)
    assert found.compared_spikes > 400 and found.compared_potentials > 300
