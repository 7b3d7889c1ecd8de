"""Samples that overlap on Lava: every spike, potential and clip of samples one by one, by operation and by block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import processes.trace_product.lava  # noqa: F401 - Lava comes before whatever starts processes
from evaluator import stepper
from evaluator.compare import compare
from evaluator.interval import overlap
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.lava.process import Following
from targets import lava_sim
from tests.targets.test_placement import small_network, uneven_attention, uneven_gates

SAMPLES = 4


@pytest.mark.parametrize(
    ("make", "granularity", "state_sets"),
    [
        (uneven_attention, "operation", 2), (small_network, "block", 1),
        *(pytest.param(*case, marks=pytest.mark.exhaustive)
          for case in ((uneven_gates, "operation", 2), (small_network, "operation", 3), (small_network, "block", 4))),
    ],
)  # fmt: skip
def test_overlapped_samples_equal_samples_one_by_one(make, granularity: str, state_sets: int) -> None:
    network = make()
    shape = (SAMPLES, *network.input_shape[1:])
    samples = np.random.default_rng(1).random(shape, np.float32) * np.array([2, 1000, -3, 1], np.float32).reshape(
        -1, *[1] * (len(shape) - 1)
    )
    told: list[int] = []
    run, alone = lava_sim.run(network, samples, granularity, told.append, state_sets), stepper.run(network, samples)
    found = compare(network, samples, run)
    assert (found.mismatches, found.first) == (0, None) and told == list(range(SAMPLES))
    assert found.compared_spikes > 100 and run.clips == alone.clips
    assert sum(run.clips.values()) > 0 or make is not uneven_attention
    plan = overlap(network, timeline(network), state_sets)
    assert run.measured == plan.measured(SAMPLES) and run.measured["in_flight"] > 1


def test_an_interval_too_small_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(*args: object) -> object:
        plan = overlap(*args)  # type: ignore[arg-type]
        return replace(plan, interval=plan.interval - 1)

    monkeypatch.setattr(lava_sim, "overlap", hasty)
    network = small_network()
    samples = np.random.default_rng(1).random((2, *network.input_shape[1:]), np.float32)
    with pytest.raises(DeployError, match=r"is asked to (hold|send for) "):
        lava_sim.run(network, samples, "block", None, 1)


def test_who_is_under_way() -> None:
    following = Following(3, 4)
    assert following.in_flight(7) == 3
    seen: dict[int, list[int]] = {}
    for step in range(3 * 3 + 7):
        under_way = list(following.under_way(step, 7))
        assert len(under_way) <= 3 and under_way == sorted(under_way)
        for sample, t in under_way:
            seen.setdefault(sample, []).append(t)
    assert seen == {sample: list(range(7)) for sample in range(4)}
    assert not list(following.under_way(16, 7))
