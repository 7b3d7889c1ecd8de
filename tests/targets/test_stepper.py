"""The stepper as a target: what the public interface runs on it is its closed form, on one core and on several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import deploy
from deploy.availability import chosen
from deploy.demo import evaluation_data
from deploy.errors import DeployError
from evaluator import network_file
from evaluator.compare import compare
from processes.network import Network
from targets import probes, registry, stepper_target
from targets.base import Availability

GOLDEN = Path(__file__).parents[1] / "golden" / "demo"
SAMPLES = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def converted() -> deploy.Conversion:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3)).eval()
    return deploy.convert(module, SAMPLES, timesteps=16, spikes=2)


@pytest.fixture
def without_lava(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "installed", lambda module: False)


def stepped(network: Network, x: np.ndarray) -> Network:
    """``network``, of which samples stepped on the target are what the closed form says."""
    run = registry()["stepper"].run(network, x, "block")
    found = compare(network, x, run)
    assert found.mismatches == found.ties == 0 and found.first is None
    assert found.compared_spikes > 0 and run.clips.keys() == network.nodes.keys()
    return network


def test_the_demo_in_fixed_point() -> None:
    stepped(network_file.read(GOLDEN / "fixed.nir"), evaluation_data()[0][:2])


def test_the_demo_in_floating_point() -> None:
    network, x = network_file.read(GOLDEN / "float.nir"), evaluation_data()[0][:1]
    found = compare(network, x, registry()["stepper"].run(network, x, "block"))
    assert found.mismatches == 0 and found.compared_spikes > 100_000


def test_clips_far_beyond_calibration_are_counted_alike(converted: deploy.Conversion) -> None:
    x = 1000 * SAMPLES[:3]
    run = registry()["stepper"].run(stepped(converted.network, x), x, "block")
    assert sum(run.clips.values()) > 0
    name = next(name for name, clips in run.clips.items() if clips)
    run.clips[name] += 1
    assert compare(converted.network, x, run).mismatches == 1


def test_a_spike_that_is_moved_is_found(converted: deploy.Conversion) -> None:
    run = registry()["stepper"].run(converted.network, SAMPLES[:2], "block")
    name = next(name for name, node in converted.network if node.op.fires)
    spike = np.argmax(run.values[name] != 0)
    run.values[name].reshape(-1)[spike] += np.sign(run.values[name].reshape(-1)[spike])
    found = compare(converted.network, SAMPLES[:2], run)
    assert found.mismatches > 0 and found.first is not None and name in found.first


def test_several_processes_give_what_one_gives(converted: deploy.Conversion) -> None:
    reported: list[int] = []
    one = stepper_target.run(converted.network, 1000 * SAMPLES[:5], workers=1)
    two = stepper_target.run(converted.network, 1000 * SAMPLES[:5], done=reported.append, workers=2)
    assert two.processes == 2 and sorted(reported) == list(range(5))
    assert np.array_equal(one.outputs, two.outputs) and one.clips == two.clips
    assert one.values.keys() == two.values.keys()
    assert all(np.array_equal(values, two.values[name]) for name, values in one.values.items())
    assert not np.array_equal(one.outputs, one.outputs[::-1])  # an exchange of samples would show


def test_few_samples_are_not_worth_processes() -> None:
    assert stepper_target._worth(0.1, 20) == 1
    assert stepper_target._worth(3600.0, 1) == 1


def test_verify_and_run_name_what_stepped(converted: deploy.Conversion) -> None:
    found = converted.verify(2, SAMPLES, target="stepper")
    assert (found.stepped_by, found.mismatches) == ("stepper", 0) and found.compared_spikes > 0
    with pytest.raises(DeployError, match=r"--target closed-form: unknown; .*lava-sim, stepper"):
        converted.verify(2, SAMPLES, target="closed-form")


def test_without_lava_the_stepper_is_taken_and_it_says_why(without_lava: None) -> None:
    target, why = chosen(None)
    assert target.name == "stepper" and "\n" not in why
    assert why == "target stepper, as Lava cannot run here: " + probes.lava().reason
    with pytest.raises(DeployError, match="target lava-sim is not available here"):
        chosen("lava-sim")


def test_with_lava_lava_is_taken() -> None:
    lava = registry()["lava-sim"]
    object.__setattr__(lava, "availability", lambda: Availability(True))
    try:
        assert chosen(None)[0] is lava and chosen(None)[1] == ""
        assert chosen("stepper")[0].name == "stepper"
    finally:
        object.__setattr__(lava, "availability", probes.lava)
