"""Discretisation: integers that mean what the floating-point network means, within the chip's widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise, rounding
from converters.discretise.observe import saturating
from evaluator.closed_form import ClosedForm
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import DenseSynapse, DynamicThreshold, Network, Synapse, TraceProduct
from processes.operation import Operation, Result
from processes.phase_code import PhaseCode
from tests.converters.modules import images, module, one_by_one, small_vit, spiking

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
    errors = [float((real(n, x).reshape(32, 5) - expected).norm() / expected.norm()) for n in both(vit, base, steps)]
    assert errors[1] <= 1.25 * errors[0] + 0.01


@pytest.mark.parametrize("base, steps", CODES)
def test_nothing_saturates_on_the_calibration_set(vit: nn.Module, base: float, steps: int) -> None:
    _, fixed = both(vit, base, steps)
    clipped: dict[str, int] = {}
    ClosedForm(fixed).run(images(16), lambda name, op, result: clipped.update({name: result.clipped}))
    assert not any(clipped.values())


@pytest.mark.parametrize("base, steps", CODES + DEEP)
def test_a_black_image_sends_no_spikes(vit: nn.Module, base: float, steps: int) -> None:
    """However deep the code: below the last midpoint there is silence."""
    network, fixed = both(vit, base, steps)
    for net in (network, fixed):
        codes: dict[str, torch.Tensor] = {}
        ClosedForm(net).run(
            np.zeros((1, 1, 12, 12), np.float32), lambda n, op, r, c=codes: c.update({n: r.values.clone()})
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
            assert op.traces.min() >= 0 and op.traces.max() == op.traces[0, 0] <= LOIHI2.trace_limit, name
        if hasattr(op, "state_bits"):
            assert op.state_bits in (0, LOIHI2.state_bits), name
    assert fixed.header.precision == "fixed" and network.header.precision == "float"


def test_a_layer_that_saturates_is_tried_again_and_only_what_changes_is_rounded(
    vit: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer's unit becomes coarser until nothing in it saturates; other layers keep their weights."""
    samples = images(16)
    network = spiking(vit, torch.from_numpy(samples), PhaseCode(1.15, 40))
    first = discretise(network, samples, LOIHI2)
    name = next(name for name, node in first if isinstance(node.op, DenseSynapse))
    answers, together, ends = [[name], [name], []], [], []

    def saturating(*_: object) -> tuple[list[str], int]:
        ends.append(len(together))
        return answers.pop(0), 0

    monkeypatch.setattr("converters.discretise.saturating", saturating)
    rounded = rounding.round_weights

    def watched(
        op: Synapse, weight: np.ndarray, limit: int, seen: rounding.Moments | None
    ) -> tuple[np.ndarray, np.ndarray]:
        together.append(seen is not None)
        return rounded(op, weight, limit, seen)

    monkeypatch.setattr("converters.discretise.round_weights", watched)
    second = discretise(network, samples, LOIHI2)
    per_pass = np.split(np.array(together), ends[:-1])
    assert [bool(passed.any()) for passed in per_pass] == [True, True, True] and not answers
    assert 0 < len(per_pass[1]) == len(per_pass[2]) < len(per_pass[0])
    before, after = (np.asarray(net[name].unit) for net in (first, second))  # type: ignore[attr-defined]
    assert np.log2(after.max() / before.max()) >= 1


def test_the_batch_that_clipped_is_judged_first_and_alone(vit: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of samples in batches of three, number 7 clips: those of its batch are judged next time, and all only if none clips."""
    samples = np.arange(12)
    network = spiking(vit, torch.from_numpy(images(2)), PhaseCode(1.15, 40))
    run: list[int] = []

    def clips_in(bad: int) -> None:
        def evaluate(self: ClosedForm, x: np.ndarray, observe) -> None:
            run.extend(x.tolist())
            name, node = next(iter(self.network))
            observe(name, node.op, Result(torch.zeros(1), torch.tensor([int(bad in x)])))

        monkeypatch.setattr(ClosedForm, "run", evaluate)

    clips_in(7)
    told: list[int] = []
    clipped, first = saturating(network, samples, 3, lambda done, _: told.append(done))
    assert len(clipped) == 1 and first == 6 and run == list(range(9)) and told[-1] == 12
    run.clear()
    assert saturating(network, samples, 3, None, first) == (clipped, 6) and run == [6, 7, 8]
    run.clear()
    clips_in(-1)
    assert saturating(network, samples, 3, None, first) == ([], 6) and sorted(run) == list(range(12))


def test_what_never_fits_is_named(vit: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("converters.discretise.saturating", lambda *_: (["input.neuron"], 0))
    with pytest.raises(DeployError, match=r"'input\.neuron' saturates 24 bits"):
        both(vit, 1.15, 40)


def test_the_floating_point_network_is_left_alone(vit: nn.Module) -> None:
    samples = images(16)
    network = spiking(vit, torch.from_numpy(samples), PhaseCode(1.15, 40))
    before = ClosedForm(network).run(samples)
    discretise(network, samples, LOIHI2)
    assert (ClosedForm(network).run(samples) == before).all()


def test_rows_of_a_variance_far_below_the_calibrated_are_counted() -> None:
    """Half of the centred values fall below the smallest level where a row is some 300 times smaller than its scale."""
    model = module(lambda m, x: m.a(F.layer_norm(x, (64,), eps=1e-12)), a=nn.Linear(64, 3))
    x = torch.randn(32, 5, 64, generator=torch.Generator().manual_seed(0))
    network = spiking(model, x, PhaseCode(1.15, 40))
    probe = x[:4].clone()
    probe[1, 3] *= 1e-3
    probe[2, 0], probe[3, 1] = 0, 7  # without any variance: their zeros are right
    for net in (network, discretise(network, x.numpy(), LOIHI2)):
        counted: list[int] = []

        def observe(name: str, op: Operation, result: Result, counted: list[int] = counted) -> None:
            if isinstance(op, DynamicThreshold):
                counted.append(result.low_variance_rows)

        ClosedForm(net, torch.float64).run(probe.numpy(), observe)
        ClosedForm(net, torch.float64).run(x.numpy(), observe)
        assert counted == [1, 0]
