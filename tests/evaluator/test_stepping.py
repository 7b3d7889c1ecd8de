"""Whole networks stepped in numpy: every node's spikes and potentials are those of the closed form."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate, encode, scale, uniform
from converters.capture import capture
from converters.discretise import discretise
from converters.lowering import lower
from converters.sensitivity import SiteCode
from evaluator.closed_form import ClosedForm
from evaluator.stepping import Group, Recorder, step_through
from evaluator.timeline import timeline
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.kernels.stepped import enter_codes
from processes.network import LoweredNetwork, Network, Route
from processes.phase_code import PhaseCode
from tests.converters.modules import end_early, error, images, lowered, module, small_vit, spiking
from tests.tolerances import ROUNDING


def compare(network: Network, x: np.ndarray) -> int:
    """Every node of every sample; returns the number of spikes compared. ``x`` (N, *input)."""
    fixed = network.header.fixed
    runner = ClosedForm(network, torch.float64)
    closed: dict[str, np.ndarray] = {}
    runner.run(x, lambda name, op, result: closed.__setitem__(name, result.values.clone().numpy()))
    times = timeline(network)
    graded = runner.encode(x).numpy()
    spikes = 0
    for i, sample in enumerate(graded):
        recorder = Recorder(network, times)
        step_through(network, times, sample.astype(np.int64 if fixed else np.float64), recorder)
        for name, node in network:
            if isinstance(node.op, Route):
                continue
            got = recorder.values.get(name, 0)
            if node.op.emits == "spikes":
                want = closed[name][:, i]
                assert (got == want).all(), f"{name}: {np.count_nonzero(got != want)} of {want.size} spikes differ"
                spikes += np.count_nonzero(want)
            else:
                want = closed[name][i]
                error = np.abs(got - want).max()
                assert error <= (0 if fixed else ROUNDING * max(1.0, np.abs(want).max())), f"{name}: {error}"
    return spikes


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    return small_vit()


@cache
def lowered_vit(fanout: bool = False) -> LoweredNetwork:
    """Of the same model."""
    return lower(capture(small_vit(), (torch.from_numpy(images(1)),)), (1, 1, 12, 12), fanout)


GRIDS = [(1.15, 40, False), (1.4, 16, False), (1.4, 16, True), (2.0, 4, True), (1.05, 128, False)]


@pytest.mark.parametrize("base, steps, fanout", GRIDS)
def test_small_vit(base: float, steps: int, fanout: bool) -> None:
    """Float and fixed, on samples of the calibration set, beyond it, all zero, all equal and all negative."""
    samples = images(16)
    network = calibrate(lowered_vit(fanout), samples, PhaseCode(base, steps))
    x = np.concatenate([
        samples[:1], 20 * images(1, seed=5) - 10, np.zeros((1, 1, 12, 12)), np.full((1, 1, 12, 12), 0.5),
        -samples[1:2],
    ]).astype(np.float32)  # fmt: skip
    # an all-equal image makes rows that tie to rounding; floating point is compared on the others
    assert compare(network, x[:2]) > 500
    fixed = discretise(network, samples, LOIHI2)
    assert compare(fixed, x) > 500


@pytest.mark.parametrize(
    "spikes, ending", [(1, False), pytest.param(2, False, marks=pytest.mark.exhaustive), (2, True)]
)
def test_every_site_with_a_base_of_its_own(spikes: int, ending: bool) -> None:
    """Neurons that fire into one product, or that one reads, do not have the same levels."""
    samples, network = images(16), lowered_vit()
    plain = uniform(network, 1.2, spikes)
    sites = {name: SiteCode(1.2 + 0.03 * (i % 10), plain[name].spikes, 0.97) for i, name in enumerate(plain)}
    scaled, peaks = scale(network, samples)
    network = encode(scaled, sites, PhaseCode(1.9, 16), peaks)
    network = end_early(network) if ending else network
    used = {network.code(name).base for name, node in network if node.op.fires}
    assert len(used) > 5 and 1.9 not in used
    assert compare(network, samples[:2]) > 500
    assert compare(discretise(network, samples, LOIHI2), samples[:2]) > 500


@pytest.mark.parametrize(
    "base, steps, spikes", [(1.15, 40, 2), pytest.param(1.4, 16, 2, marks=pytest.mark.exhaustive), (2.0, 4, 2)]
)
def test_small_vit_with_two_spikes(vit: nn.Module, base: float, steps: int, spikes: int) -> None:
    """Float and fixed, every node; and the second spike pays."""
    samples, x = images(16), torch.from_numpy(images(16, seed=9))
    expected = vit(x).detach()
    errors = {}
    for n in (1, spikes):
        network = calibrate(lowered_vit(), samples, PhaseCode(base, steps), spikes=n)
        fixed = discretise(network, samples, LOIHI2)
        runner = ClosedForm(fixed)
        real = runner.real(runner.run(x)).reshape(expected.shape)
        errors[n] = [error(network, x, expected), float((real - expected).norm() / expected.norm())]
    probe = np.concatenate([x[:2], 20 * x[2:3] - 10, -x[3:4], torch.zeros(1, 1, 12, 12)]).astype(np.float32)
    assert compare(network, probe[:3]) > 500
    assert compare(fixed, probe) > 500
    if steps > 4:  # four levels are too few for a second one to be below the first
        assert errors[spikes][0] < errors[1][0] / 4 and errors[spikes][1] < errors[1][1] / 3


def test_three_spikes(vit: nn.Module) -> None:
    """In softmax, GELU and LayerNorm too; they lower the error of two."""
    x = torch.randn(12, 5, 8, generator=torch.Generator().manual_seed(0))
    network = lowered(MODELS["masked attention"], x)
    network = calibrate(network, x.numpy(), PhaseCode(1.15, 40), spikes=3)
    many = compare(network, x[:2].numpy())
    assert many > 100 and compare(discretise(network, x.numpy(), LOIHI2), 3 * x[:3].numpy()) > 100
    early = end_early(network)
    assert compare(early, x[:2].numpy()) < many
    assert compare(discretise(early, x.numpy(), LOIHI2), 3 * x[:3].numpy()) > 100
    samples = images(8)
    expected, errors = vit(torch.from_numpy(samples)).detach(), []
    for spikes in (2, 3):
        ideal = lowered_vit()
        whole = calibrate(ideal, samples, PhaseCode(1.4, 16), spikes=spikes)
        errors.append(error(whole, samples, expected))
    assert errors[1] < errors[0] * 3 / 4  # levels end at B^-15 in both
    assert compare(whole, samples[:2]) > 500
    assert compare(discretise(whole, samples, LOIHI2), samples[:2]) > 500
    with pytest.raises(DeployError, match="4 spikes per value are outside 1 to 3"):
        calibrate(ideal, samples, PhaseCode(1.4, 16), spikes=4)


MODELS = {
    "masked attention": module(
        lambda m, x: m.o(F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x), is_causal=True)),
        q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), o=nn.Linear(8, 3),
    ),
    "biased attention": module(
        lambda m, x: m.o(F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x), attn_mask=m.bias)),
        q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), o=nn.Linear(8, 3), bias=torch.randn(5, 5),
    ),
    "norms and activations": module(
        lambda m, x: m.b(F.silu(m.a(F.rms_norm(x + torch.tanh(m.a(x)), (8,), m.g)))).mean(1),
        a=nn.Linear(8, 8), b=nn.Linear(8, 3), g=torch.rand(8) + 0.5,
    ),
    "routes": module(
        lambda m, x: m.b(torch.cat([m.c, F.pad(m.a(x), (0, 0, 1, 0)).roll(1, 1)], 1).flatten(1)[:, 4:36]),
        a=nn.Linear(8, 8), b=nn.Linear(32, 3), c=torch.randn(1, 2, 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_other_networks(name: str) -> None:
    x = torch.randn(12, 5, 8, generator=torch.Generator().manual_seed(0))
    network = spiking(MODELS[name], x, PhaseCode(1.15, 40))
    probe = np.concatenate([x[:2].numpy(), 100 * x[2:3].numpy(), np.zeros((1, 5, 8), np.float32)])
    assert compare(network, probe[:3]) > 100
    assert compare(discretise(network, x.numpy(), LOIHI2), probe) > 100


def test_convolutions() -> None:
    model = module(
        lambda m, x: m.b(F.relu(m.d(F.relu(m.c(x)))).mean((-2, -1))),
        c=nn.Conv2d(2, 4, 3, padding=1), d=nn.Conv2d(4, 4, 3, stride=2, groups=2), b=nn.Linear(4, 3),
    )  # fmt: skip
    x = torch.randn(8, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    network = spiking(model, x, PhaseCode(1.15, 40))
    assert compare(network, x[:2].numpy()) > 50
    assert compare(discretise(network, x.numpy(), LOIHI2), 3 * x[:2].numpy()) > 50


def test_a_value_path_one_stage_longer() -> None:
    model = module(
        lambda m, x: F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(F.relu(m.h(x)))),
        q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), h=nn.Linear(8, 8),
    )  # fmt: skip
    x = torch.randn(8, 5, 8, generator=torch.Generator().manual_seed(0))
    compare(spiking(model, x, PhaseCode(1.4, 16)), x[:2].numpy())


def test_one_sample_after_another_gives_what_each_gives_alone() -> None:
    samples = images(6)
    network = discretise(calibrate(lowered_vit(), samples, PhaseCode(1.4, 16)), samples, LOIHI2)
    times = timeline(network)
    runner = ClosedForm(network)
    graded = runner.encode(samples).numpy().astype(np.int64)
    group = Group(network, times, list(network.nodes), [Network.INPUT], network.output)
    outputs = []
    for sample in graded[:3]:
        group.reset()
        result: Any = None
        for t in range(times.period):
            result = group.step(t, [sample if t == 0 else None])
        outputs.append(result.copy())
    assert (np.stack(outputs) == runner.run(samples[:3]).numpy()).all()
    assert (step_through(network, times, graded[2])[0] == outputs[2]).all()


def test_codes_fill_planes_in_order_of_time() -> None:
    codes = np.zeros((2, 3), np.int16)
    for k, signs in enumerate([[1, 0, 0], [-1, -1, 0], [0, 1, 0]]):
        enter_codes(codes, np.array(signs, np.int8), k)
    assert codes.tolist() == [[1, -2, 0], [-2, 3, 0]]


def test_both_runs_count_the_same_saturations() -> None:
    """Far beyond the calibrated range potentials clip: as often in one run as in the other, in the same layers."""
    samples = images(16)
    fixed = discretise(calibrate(lowered_vit(), samples, PhaseCode(1.15, 40), spikes=2), samples, LOIHI2)
    x = np.concatenate([40 * samples[:1], -40 * samples[1:2]]).astype(np.float32)
    closed: dict[str, int] = {}
    runner = ClosedForm(fixed)
    runner.run(x, lambda name, op, result: closed.__setitem__(name, result.clipped))
    times, counted = timeline(fixed), dict.fromkeys(fixed.nodes, 0)
    for sample in runner.encode(x).numpy().astype(np.int64):
        recorder = Recorder(fixed, times)
        group = Group(fixed, times, list(fixed.nodes), [Network.INPUT], fixed.output, recorder)
        group.reset()
        for t in range(times.period):
            group.step(t, [sample if t == 0 else None])
        for clips in (recorder.clips, group.clips()):
            for name, count in clips.items():
                counted[name] += count
    assert counted == closed
    assert sum(counted.values()) > 0
