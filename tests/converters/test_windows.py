"""T of each site: within the limit, where it saves most, and never where somebody else would have to wait for nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import deploy
from converters import windows
from converters.code_search import tune
from converters.evidence import coded, gather
from converters.overrides import Override
from converters.pipeline import convert_module
from converters.spending import spent
from converters.windows import TRIED, USUAL, Path, way
from evaluator.closed_form import ClosedForm
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network
from tests.converters.modules import apart, images, lowered, one_by_one, small_vit
from tests.tolerances import GREEDY


def tokens(n: int, seed: int = 0) -> np.ndarray:
    """(n, 3, 4) float32."""
    return np.random.default_rng(seed).normal(size=(n, 3, 4)).astype(np.float32)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 3)).eval()


def rows(n: int, seed: int = 0) -> np.ndarray:
    """(n, 6) float32."""
    return np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)


def path_of(network: Network, given: dict[str, Override] | None = None) -> Path:
    """With errors that fall with T, by a weight of each node's own."""
    names = coded(network)
    weights = np.random.default_rng(0).permutation(len(names)) + 1.0
    errors = {name: {t: weight / t**2 for t in TRIED} for name, weight in zip(names, weights, strict=True)}
    return way(network, names, given or {}, errors)


def error(path: Path, chosen: dict[str, int]) -> float:
    return sum(path.errors[name][t] for name, t in chosen.items() if name not in path.fixed)


@pytest.fixture(scope="module")
def block() -> Network:
    return lowered(apart(), torch.from_numpy(tokens(1)))


@pytest.fixture(scope="module")
def vit() -> Network:
    return lowered(small_vit(), torch.from_numpy(images(1)))


@pytest.mark.parametrize("common", TRIED)
def test_the_limit_is_kept_and_used(vit: Network, common: int) -> None:
    path = path_of(vit)
    limit = path.latency(path.all_at(common))
    chosen = path.within(limit)
    assert limit - min(np.diff(TRIED)) < path.latency(chosen) <= limit
    assert error(path, chosen) <= error(path, path.all_at(common))
    if common not in (TRIED[0], TRIED[-1]):
        assert len(set(chosen.values())) > 1 and error(path, chosen) < error(path, path.all_at(common))


def test_nothing_that_was_not_tried_is_much_better() -> None:
    path = path_of(lowered(net(), torch.from_numpy(rows(1))))
    names = list(path.errors)
    assert len(names) == 3
    for limit in range(path.limit(None) - 20, path.limit(None) + 40, 7):
        every = (dict(zip(names, t, strict=True)) for t in itertools.product(TRIED, repeat=3))
        best = min(error(path, each) for each in every if path.latency(each) <= limit)
        assert best <= error(path, path.within(limit)) < GREEDY * best


def test_who_fires_together_has_one_window_and_who_waits_is_free(block: Network) -> None:
    """q and k have one T. V is heard when softmax has fired, and takes a longer one that nobody waits for."""
    path = path_of(block)
    q, k, v = ("q.neuron", "k.neuron", "v.neuron")
    limit = path.latency(path.all_at(USUAL))
    chosen = path.within(limit)
    assert chosen[q] == chosen[k] < chosen[v] < TRIED[-1]
    assert path.latency(chosen) == path.latency({**chosen, v: TRIED[0]}) <= limit
    assert path.latency({**chosen, v: TRIED[TRIED.index(chosen[v]) + 1]}) > path.latency(chosen)
    assert path.latency({**chosen, q: chosen[q] + 1}) == path.latency(chosen) + 1
    assert all(q not in stage or k in stage for stage in path.stages())


def test_what_lowers_no_error_stays_short(vit: Network) -> None:
    path = path_of(vit)
    first = next(iter(path.errors))
    flat = Path(vit, {**path.errors, first: dict.fromkeys(TRIED, 1.0)}, {})
    chosen = flat.within(10**6)
    assert chosen[first] == TRIED[0] and all(t == TRIED[-1] for name, t in chosen.items() if name != first)


def test_a_limit_that_is_too_short_is_refused_with_the_least(vit: Network) -> None:
    path = path_of(vit)
    least = path.latency(path.all_at(TRIED[0]))
    assert path.limit(least) == least and set(path.within(least).values()) == {TRIED[0]}
    with pytest.raises(DeployError, match=f"--latency {least - 1}: .* already take {least} steps"):
        path.limit(least - 1)
    with pytest.raises(DeployError, match="--latency 5"):
        convert_module(net(), [rows(8)], None, latency=5)


def test_a_given_t_is_kept_and_counted(vit: Network) -> None:
    plain = path_of(vit)
    name = "blocks.0.mlp.fc1.gelu"
    path = path_of(vit, {name: Override(timesteps=33)})
    limit = plain.latency(plain.all_at(USUAL))
    chosen = path.within(limit)
    assert chosen[name] == 33 and path.latency(chosen) <= limit
    assert path.latency(path.all_at(USUAL)) == limit + 33 - USUAL


def outputs(network: Network, x: np.ndarray) -> np.ndarray:
    runner = ClosedForm(network)
    return runner.real(runner.run(x)).reshape(len(x), -1).numpy()


@pytest.mark.parametrize("spikes", [1, None])
def test_outputs_err_less_in_the_same_time(spikes: int | None) -> None:
    """Than with one T for all, whose bases and scales are chosen too; on samples that nothing was chosen on."""
    model, x, unseen = apart(), tokens(32), tokens(64, seed=7)
    common = convert_module(model, [x], USUAL, spikes=spikes).network
    own = convert_module(model, [x], None, spikes=spikes)
    assert timeline(own.network).period <= timeline(common).period
    with torch.no_grad():
        wanted = model(torch.from_numpy(unseen)).numpy()
    errors = [np.linalg.norm(outputs(n, unseen) - wanted) for n in (common, own.network)]
    assert errors[1] < 0.95 * errors[0]
    assert own.tuning is not None and {site.steps for site in own.tuning.sites.values()} <= set(TRIED)


@pytest.mark.parametrize("spikes, rounds", [(2, 2 + 2 * len(TRIED)), (None, 2 + 4 * (1 + len(TRIED)))])
def test_the_same_choice_twice_and_progress_to_the_end(spikes: int | None, rounds: int) -> None:
    from converters.calibrate import scale

    network, _ = scale(lowered(net(), torch.from_numpy(rows(1))), rows(16))
    told: list[tuple[int, int]] = []
    seen = gather(network, rows(16), TRIED[-1]).evidence
    one, two = (
        tune(network, seen, None, None, spikes, progress=lambda *now: told.append(now), latency=60) for _ in range(2)
    )
    assert one == two and timeline(network, {n: site.steps or 0 for n, site in one.sites.items()}).period <= 60
    half = told[: len(told) // 2]
    assert half == sorted(half) and half[-1][0] == half[-1][1] and len(half) == 1 + rounds * len(seen)


def test_spikes_chosen_with_t_are_no_more_than_two_for_all_and_err_less() -> None:
    """Third spikes where they pay, fewer where those are enough; on samples that nothing was chosen on."""
    model, x, unseen = small_vit(), images(32), images(64, seed=7)
    wanted = one_by_one(model, torch.from_numpy(unseen)).reshape(64, -1).numpy()
    common = convert_module(model, [x], USUAL, spikes=2, input_spikes=2)
    two, chosen = (convert_module(model, [x], None, spikes=n, input_spikes=2) for n in (2, None))
    assert common.tuning and two.tuning and chosen.tuning
    assert spent(chosen.tuning.choices) <= spent(common.tuning.choices) * (1 + 1e-9)
    assert spent(chosen.tuning.choices) > 0.9 * spent(common.tuning.choices)
    assert 3 in {site.spikes for site in chosen.tuning.sites.values()} and chosen.network.header.spikes == 3
    periods = [timeline(made.network).period for made in (common, two, chosen)]
    assert max(periods[1:]) <= periods[0]
    errors = [np.linalg.norm(outputs(made.network, unseen) - wanted) for made in (common, two, chosen)]
    assert errors[0] > errors[1] > errors[2]


def test_spikes_chosen_with_t_are_proven_like_any() -> None:
    found = deploy.convert(net(), rows(40), timesteps="auto", latency=60, spikes="auto")
    assert len({code.spikes for code in found.report.codes}) > 1
    assert found.verify(samples=4, target="stepper").mismatches == 0


def test_a_report_says_what_each_layer_has() -> None:
    found = deploy.convert(net(), rows(40), timesteps="auto", latency=40, spikes=2)
    report, network = found.report, found.network
    own = {name: node.op.code.steps for name, node in network if node.op.fires}  # type: ignore[attr-defined]
    assert {code.name: code.timesteps for code in report.codes} == own and len(set(own.values())) > 1
    assert report.timesteps == max(own.values()) and report.latency_steps == timeline(network).period <= 40
    assert report.timesteps_in_words == f"{min(own.values())} to {max(own.values())}, layer by layer"
    assert report.timesteps_in_words in found.page
    windowed = {layer.name: layer.stop - layer.start for layer in report.layers}
    assert all(windowed[name] == steps for name, steps in own.items())
    assert found.verify(samples=2, target="stepper").mismatches == 0


@pytest.mark.parametrize("given", [{"timesteps": 7}, {"timesteps": 7, "base": 1.4}])
def test_overrides_give_a_layer_its_window(given: Any) -> None:
    network = deploy.convert(net(), rows(24), timesteps=12, overrides={"2*": given}).network
    steps = {name: node.op.code.steps for name, node in network if node.op.fires}  # type: ignore[attr-defined]
    assert sorted(steps.values()) == [7, 12, 12] and network.header.timesteps == 12


def test_the_usual_limit_is_among_what_is_tried() -> None:
    assert windows.USUAL in TRIED and list(TRIED) == sorted(TRIED)
