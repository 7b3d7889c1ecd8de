"""Codes chosen per site: the expected error is the real one, and the choices lower it within what may be spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from converters.calibrate import encode, scale, uniform
from converters.candidates import BASES
from converters.choices import Tuning
from converters.code_search import BUDGET, tune
from converters.evidence import LEAST, SAMPLES, gated, gather
from converters.ingredients import ALL, Ingredients
from converters.pipeline import convert_module
from converters.sensitivity import Evidence, SiteCode, intervals_of
from evaluator.closed_form import ClosedForm
from processes.network import Network, Woss
from processes.operation import Result
from processes.phase_code import PhaseCode
from processes.spikes import decode
from tests.converters.modules import images, lowered, one_by_one, small_vit
from tests.tolerances import FIRST_ORDER, FLOAT32

STEPS = 16


def code_values(values: torch.Tensor, site: SiteCode, steps: int, race: bool) -> torch.Tensor:
    """Codes (spikes, rows, D) of values (rows, D), each looked up by itself."""
    ends, codes = intervals_of(site, steps, race)
    return torch.from_numpy(codes)[:, torch.bucketize(values, torch.from_numpy(ends))]


def decoded(codes: torch.Tensor, site: SiteCode, steps: int, race: bool) -> torch.Tensor:
    """What they stand for, (rows, D)."""
    return decode(codes, PhaseCode(site.base, steps).levels).mul_(1.0 if race else site.scale)


def tuned(
    network: Network, x: np.ndarray, steps: int, *asked: Any, ingredients: Ingredients = ALL, **named: Any
) -> Tuning:
    """The choice on samples."""
    seen = gather(network, x, steps, headroom=ingredients.headroom)
    return tune(network, seen.evidence, steps, *asked, ingredients=ingredients, **named)


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    return small_vit()


@pytest.fixture(scope="module")
def scaled(vit: nn.Module) -> tuple[Network, dict[str, np.ndarray]]:
    network = lowered(vit, torch.from_numpy(images(32)))
    return scale(network, images(32))


def output_error(
    network: Network, tuning: Tuning, peaks: dict[str, np.ndarray], vit: nn.Module, x: np.ndarray
) -> float:
    """Squared error of the spiking outputs."""
    spiking = encode(network, tuning.sites, PhaseCode(tuning.base, STEPS), peaks)
    runner = ClosedForm(spiking)
    wanted = one_by_one(vit, torch.from_numpy(x)).reshape(len(x), -1)
    return float((runner.real(runner.run(x)).reshape(len(x), -1) - wanted).square().sum())


def test_expected_errors_are_those_of_coding_one_node_alone(scaled: Any) -> None:
    """First order, independent errors: within a factor of what replacing the node's values does."""
    network, _ = scaled
    x, site = images(32), SiteCode(1.2, 1)
    evidence = gather(network, x, STEPS).evidence
    runner = ClosedForm(network, ideal=True)
    ideal = runner.run(x)
    assert set(evidence) == set(uniform(network, 1.2, 1))
    for name, seen in evidence.items():
        trial = seen.trial(site)

        def coded(node: str, op: Any, result: Result, name: str = name) -> torch.Tensor | None:
            if node != name:
                return None
            y = result.values
            factor = torch.tensor(op.scale).float()
            race = isinstance(op, Woss)
            codes = code_values((y / factor).reshape(-1, y.shape[-1]), site, STEPS, race)
            return decoded(codes, site, STEPS, race).reshape(y.shape) * factor

        real = float((runner.run(x, coded) - ideal).square().sum())
        assert real / FIRST_ORDER < trial.error.sum() < FIRST_ORDER * real, name


def test_coded_values_are_what_the_network_sends(scaled: Any) -> None:
    """The values that candidates are judged by are those that the encoded network's neurons fire."""
    network, peaks = scaled
    for spikes in (1, 2):
        encoded = encode(network, uniform(network, 1.3, spikes), PhaseCode(1.3, STEPS), peaks)
        x = torch.from_numpy(images(2)).reshape(2, *network.input_shape)
        first = encoded["input.neuron"]
        codes = first.closed_form(x / torch.tensor(network["input.neuron"].schedule.unit).float()).values  # type: ignore[attr-defined]
        levels = PhaseCode(1.3, STEPS).levels
        sent = sum(np.sign(p) * np.where(p == 0, 0, levels[np.abs(p) - 1]) for p in codes.numpy().astype(int))
        r = (x / torch.tensor(first.scale).float()).reshape(-1, x.shape[-1])  # type: ignore[attr-defined]
        own = code_values(r, SiteCode(1.3, spikes), STEPS, race=False)
        values = decoded(own, SiteCode(1.3, spikes), STEPS, race=False)
        assert np.allclose(values.numpy(), sent.reshape(values.shape), atol=FLOAT32)
        assert int(own.count_nonzero()) == np.count_nonzero(codes.numpy())


def test_a_base_for_each_node_lowers_the_error(scaled: Any, vit: nn.Module) -> None:
    network, peaks = scaled
    one = tuned(network, images(32), STEPS, 1.4, 1)
    own = tuned(network, images(32), STEPS, None, 1)
    assert {choice.site.base for choice in one.choices.values()} == {1.4}
    assert len({choice.site.base for choice in own.choices.values()}) > 1 and own.base in BASES
    assert all(choice.error <= choice.plain_error for choice in own.choices.values())
    unseen = images(32, seed=7)
    assert output_error(network, own, peaks, vit, unseen) < 0.9 * output_error(network, one, peaks, vit, unseen)


def test_second_spikes_stay_within_the_budget(scaled: Any, vit: nn.Module) -> None:
    network, peaks = scaled
    one, some, two = (tuned(network, images(32), STEPS, None, n) for n in (1, None, 2))
    spent = [sum(choice.spikes for choice in tuning.choices.values()) for tuning in (one, some, two)]
    assert 0.98 * BUDGET * spent[0] < spent[1] <= BUDGET * spent[0] * (1 + 1e-9) < spent[2]
    assert any(choice.site.latest is not None for choice in some.choices.values())
    unseen = images(32, seed=7)
    errors = [output_error(network, tuning, peaks, vit, unseen) for tuning in (one, some, two)]
    assert errors[0] > errors[1] > errors[2]


def test_one_sample_is_enough(vit: nn.Module) -> None:
    conversion = convert_module(vit, [images(1)], 8, None, spikes=None, fixed=False)
    assert np.isfinite(ClosedForm(conversion.network).run(images(1)).numpy()).all()


def test_a_plain_code_where_there_is_nothing_to_choose(scaled: Any) -> None:
    """All-zero samples: no error anywhere, so that nothing beats the plain code."""
    network, _ = scaled
    chosen = tuned(network, np.zeros_like(images(4)), 4, 1.5, 1, input_spikes=2).choices
    assert chosen["input.neuron"].site == SiteCode(1.5, 2, steps=4)


def test_lost_weights_of_a_softmax_add_up() -> None:
    """Too small for the code, they are all missing: whether that matters is up to the signs of the gradients."""
    values = torch.full((3, 11), 1e-3)
    values[:, 0] = 1
    errors = {}
    for sign in (1, -1):
        gradients = torch.ones(2, 3, 11)
        gradients[..., 1::2] = sign
        evidence = Evidence([(values, gradients)], 1.0, 3, 8, race=True)
        errors[sign] = float(evidence.trial(SiteCode(1.5, 1)).error.sum())
    assert np.isclose(errors[1], 3 * (10 * 1e-3) ** 2, rtol=FLOAT32) and errors[-1] < 1e-6 * errors[1]


def test_features_errors_are_scaled_to_what_they_make_together() -> None:
    """Values that a code always loses shrink a row; which features lose how much stays as it is."""
    values = torch.linspace(0.001, 0.01, 5).repeat(4, 1)
    gradients = torch.ones(2, 4, 5)
    alone = Evidence([(values, gradients)], 1.0, 4, 8, race=False)
    together = replace(alone, together=True)
    one, all_ = (seen.trial(SiteCode(1.5, 2)) for seen in (alone, together))
    assert np.isclose(one.error.sum(), 4 * (values[0] ** 2).sum(), rtol=FLOAT32)
    assert np.isclose(all_.error.sum(), 4 * values[0].sum() ** 2, rtol=FLOAT32)
    assert np.allclose(all_.errors / all_.error.sum(), one.errors / one.error.sum(), rtol=FLOAT32)


def test_auto_sees_errors_together(scaled: Any) -> None:
    """One spike for all does not."""
    network, _ = scaled
    evidence = gather(network, images(32), STEPS).evidence
    for spikes, together in ((1, False), (None, True)):
        tuning = tuned(network, images(32), STEPS, None, spikes)
        for name, choice in tuning.choices.items():
            plain = replace(evidence[name], together=together).trial(SiteCode(tuning.base, 1))
            assert np.isclose(choice.plain_error, plain.error.sum(), rtol=FLOAT32), name


@pytest.mark.parametrize(("race", "together"), [(False, False), (False, True), (True, True)])
def test_a_trial_of_limits_is_that_of_codes_that_keep_them(race: bool, together: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    values = torch.rand((200, 6), generator=draw)
    gradients = torch.randn((2, 200, 6), generator=draw)
    evidence = Evidence([(values, gradients), (values.flip(0), gradients)], 0.5, 20, STEPS, race, together)
    limits = [0, 13, 14, STEPS - 1]
    tried = evidence.trial(SiteCode(1.2, 2), limits)
    assert np.allclose(tried.error, evidence.trial(SiteCode(1.2, 2)).error, rtol=FLOAT32)
    spikes = []
    for i, limit in enumerate(limits):
        one = evidence.trial(SiteCode(1.2, 2, latest=(limit,)))
        assert np.allclose(tried.errors[..., i], one.errors[..., 0], rtol=FLOAT32)
        assert (tried.spikes[:, i] == one.spikes[:, 0]).all()
        spikes.append(tried.spikes[:, i].sum())
    assert spikes == sorted(spikes) and spikes[0] < spikes[-1]
    assert np.allclose(tried.errors[..., 0], evidence.trial(SiteCode(1.2, 1)).errors[..., 0], rtol=FLOAT32)


class _Gated(nn.Module):
    """A gate; its product is seldom large."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(6, 12), nn.Linear(6, 12), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(torch.nn.functional.silu(self.gate(x)) * self.up(x))


def _seldom_large(samples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(2, (samples, 4, 6)).astype(np.float32)


def test_gates_have_headroom_where_unseen_samples_gain() -> None:
    torch.manual_seed(0)
    model, unseen = _Gated().eval(), torch.from_numpy(_seldom_large(64, 1))
    network, peaks = scale(lowered(model, unseen[:1]), _seldom_large(12, 0))
    errors, raised = {}, {}
    for headroom in (True, False):
        tuning = tuned(network, _seldom_large(12, 0), 24, None, 2, ingredients=replace(ALL, headroom=headroom))
        raised[headroom] = {name for name, site in tuning.sites.items() if site.scale > 1}
        runner = ClosedForm(encode(network, tuning.sites, PhaseCode(tuning.base, 24), peaks))
        with torch.no_grad():
            errors[headroom] = float((runner.real(runner.run(unseen)).reshape(64, 4, 5) - model(unseen)).square().sum())
    assert raised[True] and raised[True] <= gated(network) and not raised[False]
    assert errors[True] < errors[False]


def test_there_is_no_headroom_without_gates(scaled: Any) -> None:
    network, _ = scaled
    assert not gated(network)
    assert all(site.scale <= 1 for site in tuned(network, images(32), STEPS, None, 1).sites.values())


def test_crossed_halves_are_in_units_of_each_other() -> None:
    torch.manual_seed(0)
    network, _ = scale(lowered(_Gated().eval(), torch.zeros(1, 4, 6)), _seldom_large(12, 0))
    name = next(iter(gated(network)))
    own, crossed = (
        gather(network, _seldom_large(12, 0), STEPS, headroom=headroom).evidence[name] for headroom in (False, True)
    )
    largest = [values.abs().amax(0).clamp(min=LEAST) for values, _ in own.halves]
    for (values, gradients), (seen, weighed), unit in zip(own.halves, crossed.halves, reversed(largest), strict=True):
        assert torch.equal(values / unit, seen) and torch.equal(gradients * unit, weighed)
    assert max(float(values.max()) for values, _ in crossed.halves) > 1  # what its own scale never sees


def test_codes_are_judged_on_some_samples_and_rows_on_all(scaled: Any) -> None:
    network, x = scaled[0], images(SAMPLES + 6)
    seen = gather(network, x, STEPS)
    assert {own.samples for own in seen.evidence.values()} == {SAMPLES}
    assert seen.importance and all(len(rows) == len(x) and rows.any(1).all() for rows in seen.importance.values())
    codes = gather(network, x, STEPS, importance=False)
    assert not codes.importance and {own.samples for own in codes.evidence.values()} == {SAMPLES}
