"""What is sent to SANA-FE: every spike at its step, every synapse in some axon, a chip that its reader accepts."""

from __future__ import annotations

import numpy as np
import pytest

from evaluator.timeline import timeline
from processes.errors import DeployError
from processes.network import Network, Route
from targets import closed_form_target, tools
from targets.placement import Placement, place
from targets.sana_fe import run
from targets.sana_fe.architecture import describe
from targets.sana_fe.traffic import axons_of, firing, groups_of
from tests.converters.modules import images
from tests.targets.test_placement import small_network, tiny


@pytest.fixture(scope="module")
def network() -> Network:
    return small_network()


@pytest.fixture(scope="module")
def placement(network: Network) -> Placement:
    return place(network, tiny(neurons=40))


def test_every_spike_is_sent_once_and_at_its_step(network: Network, placement: Placement) -> None:
    times, groups = timeline(network), groups_of(placement)
    result = closed_form_target.run(network, images(2))
    events = firing(network, times, result, 1, groups)
    assert (np.diff(events[:, 0]) >= 0).all() and len(np.unique(events, axis=0)) == len(events)
    for name, node in network:
        if not node.op.fires or isinstance(node.op, Route):
            continue
        own = events[(events[:, 1] >= groups[name].first) & (events[:, 1] < groups[name].first + groups[name].size)]
        codes = result.values[name][1].astype(int)
        window = times.windows[name]
        assert np.array_equal(np.sort(own[:, 0] - window.start + 1), np.sort(np.abs(codes[codes != 0])))
    graded = len(events) - sum(np.count_nonzero(v[1]) for n, v in result.values.items() if network[n].fires)
    residuals = sum(node.op.emits == "graded" and not isinstance(node.op, Route) for _, node in network)
    assert graded > residuals


def test_axons_hold_every_synapse(network: Network, placement: Placement) -> None:
    groups = groups_of(placement)
    axons = axons_of(network, placement, groups)
    cores = np.concatenate([group.cores for group in groups.values()])
    host = sum(
        c.unrolled.of(layer.population.rows, layer.population.columns)
        for layer in placement.layers for c in layer.population.connections if c.source == Network.INPUT
    )  # fmt: skip
    padding = 16 * 16  # the class token's row has no pixels
    total = sum(layer.population.synapses for layer in placement.layers)
    assert sum(int(a.synapses.sum()) for a in axons) == total - host - padding
    for a in axons:  # one axon for a source and a core
        assert len(set(zip(a.pre.tolist(), cores[a.post].tolist(), strict=True))) == len(a.pre)


def test_the_chip_is_as_large_as_the_network_needs() -> None:
    text = describe(300, (8, 4, 4), 1024, [("dense", 64), ("sparse", 1)])
    assert 'name: "tile[0..95]"' in text and "height: 12" in text
    assert f"energy_process_spike: {64 * 35.5e-12}" in text


def test_where_it_is_not_installed_it_says_so(network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("DEPLOY_TOOLS", str(tmp_path))
    state = tools.SANA_FE.availability()
    assert not state.available
    assert "sanafe 2.2.9 is not installed" in state.reason and "targets.tools sana-fe" in state.remedy
    with pytest.raises(DeployError, match="target sana-fe is not available here"):
        run(network, images(1))


def test_a_network_that_fits_no_core_is_refused(network: Network) -> None:
    with pytest.raises(DeployError, match="does not fit on a core"):
        groups_of(place(network, tiny(axons_in=3)))
