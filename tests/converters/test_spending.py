"""A price of spikes: what is taken at it costs least, and the lowest one that keeps a budget is found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from converters.sensitivity import SiteCode, Trial
from converters.spending import Options, spent


def trial(spikes: int, errors: list[float], sent: list[float], limits: tuple[int, ...] = (7,)) -> Trial:
    """Of one feature, both halves of the samples alike."""
    own = np.array(errors, float)[None] / 2
    return Trial(SiteCode(1.2, spikes), limits, np.stack([own, own]), np.array(sent, float)[None])


def drawn(rng: np.random.Generator, nodes: int) -> Options:
    """Nodes with up to three spikes, each of which lowers the error."""
    tried, plain = {}, {}
    for node in range(nodes):
        errors, sent = np.sort(rng.exponential(size=3))[::-1], np.cumsum(rng.integers(1, 9, 3))
        plain[f"{node}"], *tried[f"{node}"] = (
            trial(n, [e], [s]) for n, e, s in zip((1, 2, 3), errors, sent, strict=True)
        )
    return Options.of(tried, plain)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_price_buys_no_other_choice_of_as_few_spikes_betters(seed: int) -> None:
    options = drawn(np.random.default_rng(seed), 5)
    every = [(options.plain[name], *options.better[name]) for name in options.plain]
    least = sum(float(each[0].spikes.sum()) for each in every)
    for budget in np.linspace(least, 3 * least, 5):
        price = options.price_within(budget)
        taken = options.choices(price)
        assert spent(taken) <= budget
        error = sum(choice.error for choice in taken.values())
        for other in itertools.product(*every):
            if sum(float(t.spikes.sum()) for t in other) <= spent(taken):
                assert sum(float(t.error.sum()) for t in other) >= error * (1 - 1e-9)
        if price > 0:  # a lower one takes too many
            assert spent(options.choices(price * (1 - 1e-3))) > budget


def test_nothing_is_paid_where_all_may_be_spent() -> None:
    options = drawn(np.random.default_rng(0), 4)
    assert options.price_within(np.inf) == 0
    assert {choice.site.spikes for choice in options.choices(0.0).values()} == {3}
    assert {choice.site.spikes for choice in options.choices(1e9).values()} == {1}


def test_what_errs_more_on_one_half_is_no_option() -> None:
    plain, other = trial(1, [1.0], [4]), trial(2, [0.5], [6])
    worse = other._replace(errors=np.array([[[0.1]], [[0.6]]]))
    assert Options.of({"a": [other]}, {"a": plain}).better["a"] == [other]
    assert Options.of({"a": [worse]}, {"a": plain}).better["a"] == []


def test_second_spikes_end_where_they_no_longer_pay() -> None:
    """Each feature has a limit of its own; without any second spike a code of one is left."""
    errors = np.array([[[9.0, 4, 3], [2, 1.9, 1.8]]])
    both = Trial(SiteCode(1.2, 2), (0, 4, 7), errors, np.array([[1.0, 2, 3], [1, 2, 3]]))
    options = Options.of({"a": [both]}, {"a": trial(1, [20.0], [2])})
    assert options.choices(0.0)["a"].site == SiteCode(1.2, 2)
    assert options.choices(0.5)["a"].site == SiteCode(1.2, 2, latest=(7, 0))
    assert options.choices(2.0)["a"].site == SiteCode(1.2, 2, latest=(4, 0))
    assert options.choices(8.0)["a"].site == SiteCode(1.2, 1)
