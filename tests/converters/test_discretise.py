"""Discretisation: integers that mean what the floating-point network means, within the chip's widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.discretise import discretise
from processes.chips import LOIHI2
from processes.network import Network, Synapse, TraceProduct
from processes.phase_code import PhaseCode
from targets.closed_form import ClosedForm
from tests.converters.modules import images, one_by_one, small_vit, spiking

CODES = [(1.15, 40), (1.4, 16), (2.0, 10), (1.05, 40)]
DEEP = [(1.4, 40), (2.0, 40), (1.15, 128)]


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    return small_vit()


def both(vit: nn.Module, base: float, steps: int) -> tuple[Network, Network]:
    samples = images(16)
    network = spiking(vit, torch.from_numpy(samples), PhaseCode(base, steps))
    return network, discretise(network, samples, LOIHI2)


def real(network: Network, x: np.ndarray) -> torch.Tensor:
    runner = ClosedForm(network)
    return runner.real(runner.run(x))


@pytest.mark.parametrize("base, steps", CODES + DEEP)
def test_integers_cost_little_next_to_the_code(vit: nn.Module, base: float, steps: int) -> None:
    """On unseen samples the integer network is about as far from the model as the floating-point one."""
    x = images(32, seed=7)
    expected = one_by_one(vit, torch.from_numpy(x))
    errors = [
        float((real(n, x).reshape(32, 5) - expected).norm() / expected.norm()) for n in both(vit, base, steps)
    ]
    assert errors[1] <= 1.25 * errors[0] + 0.01


@pytest.mark.parametrize("base, steps", CODES)
def test_nothing_saturates_on_the_calibration_set(vit: nn.Module, base: float, steps: int) -> None:
    _, fixed = both(vit, base, steps)
    clipped: dict[str, int] = {}
    ClosedForm(fixed).run(images(16), lambda name, op, y: clipped.update({name: op.count_saturated()}))
    assert not any(clipped.values())


@pytest.mark.parametrize("base, steps", CODES + DEEP)
def test_a_black_image_sends_no_spikes(vit: nn.Module, base: float, steps: int) -> None:
    """However deep the code: below the last midpoint there is silence."""
    network, fixed = both(vit, base, steps)
    for net in (network, fixed):
        codes: dict[str, torch.Tensor] = {}
        ClosedForm(net).run(
            np.zeros((1, 1, 12, 12), np.float32), lambda n, op, y, c=codes: c.update({n: y.clone()})
        )
        assert not codes["input.neuron"].any()


def test_everything_fits_the_chip(vit: nn.Module) -> None:
    network, fixed = both(vit, 1.15, 40)
    for name, node in fixed:
        op: Any = node.op
        if isinstance(op, Synapse):
            assert op.weight.dtype == np.int8 and np.abs(op.weight.astype(int)).max() <= 127, name
            assert op.trace[0] in (4095, 2047), name
        if isinstance(op, TraceProduct):
            width = int(op.traces[0, 0]).bit_length()
            assert (op.traces[:, 0] == 2**width - 1).all() and width <= LOIHI2.trace_bits, name
        if hasattr(op, "state_bits"):
            assert op.state_bits in (0, LOIHI2.state_bits), name
    assert fixed.about["precision"] == "fixed" and network.about["precision"] == "float"


def test_the_floating_point_network_is_left_alone(vit: nn.Module) -> None:
    samples = images(16)
    network = spiking(vit, torch.from_numpy(samples), PhaseCode(1.15, 40))
    before = ClosedForm(network).run(samples)
    discretise(network, samples, LOIHI2)
    assert (ClosedForm(network).run(samples) == before).all()
