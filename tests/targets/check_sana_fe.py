"""``make targets-check``: SANA-FE itself, on a small network and through the command line on the demo's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deploy
from deploy.cli import main
from evaluator.target_run import TargetRun
from evaluator.timeline import timeline
from processes.network import Network
from processes.populations import populations
from targets import closed_form_target, registry
from targets.sana_fe.architecture import costs
from tests.converters.modules import images
from tests.targets.test_placement import small_network

SAMPLES = 2


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def result(network: Network) -> TargetRun:
    """SANA-FE's counts are compared with ours, population by population, on the way."""
    return registry()["sana-fe"].run(network, images(SAMPLES), "")


def test_spike_counts_are_ours(network: Network, result: TargetRun) -> None:
    ours = closed_form_target.run(network, images(SAMPLES))
    spikes = sum(np.count_nonzero(v) for name, v in ours.values.items() if network[name].fires)
    assert result.measured["spikes"] * SAMPLES == spikes
    assert result.measured["fired"] == result.measured["spikes"] + result.measured["graded_spikes"]


def test_neurons_cost_what_the_chip_says(network: Network, result: TargetRun) -> None:
    """Every neuron is visited at every step; updates and spikes come on top."""
    soma, measured = costs()["soma"], result.measured
    visits = sum(p.neurons for p in populations(network)) * timeline(network).period
    expected = (
        visits * soma["energy_access_neuron"]
        + (measured["neuron_updates"]) * soma["energy_update_neuron"]
        + measured["fired"] * soma["energy_spike_out"]
    )
    assert measured["energy_joules"]["soma"] == pytest.approx(expected, rel=1e-9)
    parts = sum(joules for part, joules in measured["energy_joules"].items() if part != "total")
    assert measured["energy_joules"]["total"] == pytest.approx(parts, rel=1e-9)
    assert measured["latency_seconds"] > timeline(network).period * costs()["latency_sync"]["1"]


def test_the_demo_gets_energy_and_latency_into_its_report(tmp_path: Path) -> None:
    options = deploy.ConvertOptions(target="closed-form", limit=4, samples=1, out=tmp_path / "demo")
    deploy.convert(options)
    assert main(["run", str(tmp_path / "demo"), "--target", "sana-fe", "--samples", "1"]) == 0
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    measured = report["targets"]["sana-fe"]
    assert measured["energy_joules"]["total"] > 0 and measured["latency_seconds"] > 0
    assert measured["spikes"] > 100_000
