"""Samples that follow each other before the last one's answer is there: the interval is as small as it can be, and overlapped
runs equal runs of one sample after the other.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from deploy.overlap import overlaps, sentence
from evaluator import network_file, overlapped, stepper
from evaluator.interval import Overlap, occupied, overlap
from evaluator.overlapped import Occupied, StateSet
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network
from processes.operation import Stepper
from targets import registry
from targets.placement import place
from targets.placement.chip import load_chip
from tests.converters.modules import images
from tests.targets import c99_cases
from tests.targets.test_placement import (
    by_sit,
    convolutions,
    gates,
    massive_feature,
    maxima,
    small_network,
    uneven_attention,
    uneven_gates,
)

DEMO = Path(__file__).parents[1] / "golden" / "demo" / "fixed.nir"
SAMPLES = 5
NETWORKS = {
    "attention": small_network, "floating": convolutions, "maxima": maxima, "sit": by_sit, "gates": gates,
    "masked": lambda: c99_cases.several_spikes()[0], "uneven": uneven_attention, "uneven gates": uneven_gates,
    "massive": massive_feature,
}  # fmt: skip


@cache
def case(name: str) -> tuple[Network, np.ndarray]:
    """A network and samples, some of them far beyond calibration, so that potentials are clipped."""
    network = NETWORKS[name]()
    samples = c99_cases.tokens(SAMPLES, seed=1) if len(network.input_shape) == 3 else images(SAMPLES, seed=1)
    return network, samples * np.linspace(-3, 1000, SAMPLES, dtype=np.float32).reshape(-1, *[1] * (samples.ndim - 1))


@cache
def one_by_one(name: str) -> TargetRun:
    return stepper.run(*case(name))


def planned(name: str, state_sets: int) -> Overlap:
    network = case(name)[0]
    return overlap(network, timeline(network), state_sets)


def same(one: TargetRun, other: TargetRun) -> bool:
    """Every spike, potential and count of clips."""
    assert one.values.keys() == other.values.keys() and one.outputs.shape == other.outputs.shape
    return one.clips == other.clips and all(np.array_equal(v, other.values[name]) for name, v in one.values.items())


@pytest.mark.parametrize("state_sets", [1, pytest.param(2, marks=pytest.mark.exhaustive), 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_overlapped_samples_equal_samples_one_by_one(name: str, state_sets: int) -> None:
    plan, reported = planned(name, state_sets), []
    assert plan.in_flight > 1 and max(plan.sets.values(), default=1) <= state_sets
    found = stepper.run(*case(name), reported.append, plan)
    assert same(found, one_by_one(name)) and reported == list(range(SAMPLES))
    assert np.array_equal(found.outputs, one_by_one(name).outputs)


def test_clips_are_among_what_is_compared() -> None:
    assert any(sum(one_by_one(name).clips.values()) for name in NETWORKS)


@pytest.mark.parametrize("state_sets", [1, 2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_interval_one_step_smaller_asks_for_too_much(name: str, state_sets: int) -> None:
    plan = planned(name, state_sets)
    with pytest.raises(Occupied, match=r"asked to (hold|send)") as refused:
        stepper.run(*case(name), None, replace(plan, interval=plan.interval - 1))
    if state_sets == 1:
        assert any(f"'{node}'" in str(refused.value) for node in plan.binding)


@pytest.mark.parametrize("name", ["attention", "gates", "masked"])
def test_a_set_too_few_asks_for_too_much(name: str) -> None:
    plan = planned(name, 2)
    for node, sets in plan.sets.items():
        assert sets == 2
        with pytest.raises(Occupied, match=f"'{node}' is asked to hold samples 0 and 1 in one set of state"):
            stepper.run(*case(name), None, replace(plan, sets={n: s for n, s in plan.sets.items() if n != node}))


@pytest.mark.parametrize("name", ["attention", "gates"])
def test_state_that_two_samples_share_shows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the check the spikes themselves say that the interval is too small."""

    def unchecked(self: StateSet, sample: int, step: int) -> Stepper:
        if sample > self.sample:
            self.stepper.reset()
            self.sample = sample
        return self.stepper

    monkeypatch.setattr(StateSet, "take", unchecked)
    monkeypatch.setattr(overlapped.SharedGroup, "_send", lambda *_: None)
    plan = planned(name, 1)
    assert same(stepper.run(*case(name), None, plan), one_by_one(name))
    assert not same(stepper.run(*case(name), None, replace(plan, interval=plan.interval // 2)), one_by_one(name))


@pytest.mark.parametrize("name", NETWORKS)
def test_many_sets_leave_the_longest_window(name: str) -> None:
    """A node sends for one sample at a time, however many it may hold."""
    network, _ = case(name)
    times = timeline(network)
    plan = overlap(network, times, 100)
    assert plan.interval == max(times.windows[n].stop - times.windows[n].start for n in network.nodes)
    assert plan.sets == {
        n: -(-steps // plan.interval) for n, steps in occupied(network, times).items() if steps > plan.interval
    }
    with pytest.raises(Occupied, match="send for two samples"):
        stepper.run(
            *case(name), None, replace(plan, interval=plan.interval - 1, sets=dict.fromkeys(network.nodes, 100))
        )


def test_the_interval_by_hand() -> None:
    """A pre-norm block's residual stream waits for code, norm, q and k, softmax with an exchange of 2 steps, and division."""
    network = network_file.read(DEMO)
    times, window = timeline(network), 40
    held = 5 * window + 2 + 1
    one, two = overlap(network, times), overlap(network, times, 2)
    residuals = tuple(f"blocks.{i}.add" for i in range(4))
    assert (one.interval, one.binding, one.sets) == (held, residuals, {})
    assert (two.interval, two.binding) == (-(-held // 2), residuals)
    mlps = {f"blocks.{i}.add_2": 2 for i in range(4)}
    assert two.sets == dict.fromkeys(residuals, 2) | mlps
    assert occupied(network, times)["blocks.0.add_2"] == 3 * window + 1
    assert occupied(network, times)["blocks.0.attn.av"] == 2 * window + 2
    assert one.latency == two.latency == times.period and two.in_flight == 14
    assert two.answers_per_1000_steps > 7 * 1000 / times.period and two.interval < 5 * window


def test_a_mask_is_held_until_the_last_softmax() -> None:
    """It arrives with the input."""
    name = next(n for n, node in reversed(list(case("masked")[0])) if node.op.name == "woss")
    network = case("masked")[0]
    times = timeline(network)
    assert occupied(network, times)[name] == times.windows[name].stop


def test_no_set_is_refused() -> None:
    network = case("gates")[0]
    with pytest.raises(DeployError, match="--state-sets 0"):
        overlap(network, timeline(network), 0)


@pytest.mark.parametrize("state_sets", [1, 2])
def test_the_target_says_how_close_samples_were(state_sets: int) -> None:
    network, samples = case("attention")
    plan = planned("attention", state_sets)
    run = registry()["stepper"].run(network, samples, "block", None, state_sets)
    assert same(run, one_by_one("attention"))
    assert run.measured["interval_steps"] == plan.interval and run.measured["latency_steps"] == plan.latency
    assert run.measured["steps"] == 4 * plan.interval + plan.latency < 5 * plan.latency
    assert "interval_steps" not in registry()["stepper"].run(network, samples[:1], "block").measured


def test_a_target_that_cannot_says_so() -> None:
    with pytest.raises(DeployError, match="target closed-form runs one sample after the other; give --target stepper"):
        registry()["closed-form"].run(*case("attention"), "block", None, 1)


def test_reports_keep_one_and_two_sets_in_words_too() -> None:
    network = case("attention")[0]
    one, two = overlaps(network, timeline(network))
    assert (one.state_sets, one.sets, one.memory_bits) == (1, {}, 0) and (two.state_sets, two.interval) == (
        2, planned("attention", 2).interval,
    )  # fmt: skip
    assert two.memory_bits and two.sets == planned("attention", 2).sets
    assert f"every {one.interval} steps" in sentence(one) and "more than one" not in sentence(one)
    assert f"{len(two.sets)} nodes have more than one, " in sentence(two) and two.binding[0] in sentence(two)


def test_a_second_set_takes_memory_on_the_chip() -> None:
    network, chip = case("attention")[0], load_chip("loihi2")
    sets = planned("attention", 2).sets
    alone, twice = place(network, chip), place(network, chip, sets)
    for before, after in zip(alone.layers, twice.layers, strict=True):
        assert before.tile is not None and after.tile is not None
        more = after.tile.use["memory_bits"] - before.tile.use["memory_bits"]
        assert (more > 0) == (before.population.name in sets) or any(
            c.via in sets for c in before.population.connections
        )
