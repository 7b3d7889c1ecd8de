"""Windows of unequal length: every way to run a network agrees on every spike and potential, as with windows of one length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.discretise import discretise
from evaluator import network_file
from evaluator.compare import compare
from evaluator.timeline import timeline
from processes import verifier
from processes.chips import LOIHI2
from processes.errors import DeployError
from processes.network import Network, TraceProduct
from processes.operation import Window
from processes.phase_code import PhaseCode, side_by_side
from targets.nir_plain.form import form_of
from tests.converters.modules import WINDOWS, apart, spiking, uneven
from tests.evaluator.test_nir_roundtrip import check_same
from tests.evaluator.test_random_networks import draw
from tests.stepped import step_samples
from tests.targets.test_placement import uneven_attention, uneven_gates


def beyond(samples: np.ndarray) -> np.ndarray:
    """Samples of the calibration set, far beyond it, and zero."""
    return np.concatenate([samples[:1], 1000 * samples[1:2], 0 * samples[:1]])


def check(network: Network, samples: np.ndarray) -> None:
    """Nothing differs, in whole samples and step by step, and something was there to differ."""
    for faults in (None, {}):
        found = compare(network, samples, step_samples(network, samples, faults))
        assert (found.mismatches, found.first) == (0, None)
        assert found.compared_spikes > 0 and found.compared_potentials > 0


@pytest.mark.parametrize("seed", [pytest.param(n, marks=[pytest.mark.exhaustive] * (n > 5)) for n in range(12)])
def test_random_networks(seed: int) -> None:
    """One to three spikes, floating point and fixed."""
    model, samples = draw(seed)
    network = uneven(model, torch.from_numpy(samples), 1 + seed % 3)
    assert len({node.op.code.steps for _, node in network if node.op.fires and node.op.name != "route"}) > 1  # type: ignore[attr-defined]
    check(network, samples[:2])
    check(discretise(network, samples, LOIHI2), beyond(samples))


@pytest.mark.parametrize("spikes", [1, 2, 3])
def test_attention_whose_operands_differ(spikes: int) -> None:
    samples = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float32)
    network = uneven(apart(), torch.from_numpy(samples), spikes)
    products = [node for _, node in network if isinstance(node.op, TraceProduct)]
    pairs = [[network.code(source).steps for source in product.inputs] for product in products]
    assert len(pairs) == 2 and all(one != other for one, other in pairs)
    check(network, samples[:2])
    check(discretise(network, samples, LOIHI2), beyond(samples))


@pytest.mark.parametrize("make", [uneven_attention, uneven_gates])
def test_a_file_keeps_them(make, tmp_path: Path) -> None:
    network = make()
    network_file.write(tmp_path / "graph.nir", network)
    check_same(network, network_file.read(tmp_path / "graph.nir"))
    assert network.header.timesteps == max(WINDOWS)


def test_windows_in_time_are_as_long_as_the_codes() -> None:
    network = uneven_attention()
    times = timeline(network)
    for name, node in network:
        if node.op.fires and node.op.name != "route":
            window = times.windows[name]
            assert window.stop - window.start == node.op.code.steps, name  # type: ignore[attr-defined]
    for name, node in network:
        if isinstance(node.op, TraceProduct):  # from the later operand's beginning to the later end
            a, b = (times.windows[source] for source in node.inputs)
            assert times.windows[name] == Window(max(a.start, b.start), max(a.stop, b.stop))


def test_windows_that_are_tried_move_what_comes_later() -> None:
    network = uneven_attention()
    name, op = next((name, node.op) for name, node in network if node.op.fires)
    steps = op.code.steps  # type: ignore[attr-defined]
    own, longer = timeline(network, {name: steps}), timeline(network, {name: steps + 3})
    assert own == timeline(network) and longer.period == own.period + 3


def test_a_spike_that_differs_is_found() -> None:
    network = uneven_attention()
    name = next(name for name, node in network if node.op.fires)

    def flip(node: str, t: int, message: np.ndarray) -> None:
        if node == name:
            message *= -1

    samples = np.random.default_rng(1).normal(size=(1, 3, 4)).astype(np.float32)
    assert compare(network, samples, step_samples(network, samples, {0: flip})).mismatches > 0


@pytest.mark.parametrize("make", [uneven_attention, uneven_gates])
def test_a_trace_that_goes_on_after_its_window_is_refused(make) -> None:
    network = make()
    name, op = next((n, node.op) for n, node in network if node.op.name in ("trace_product", "elementwise_product")
                    and not node.op.traces.all())  # type: ignore[attr-defined]  # fmt: skip
    verifier.check(network)
    changed = network.copy()
    changed.put(name, replace(op, traces=op.traces + 1))  # type: ignore[attr-defined]
    with pytest.raises(DeployError, match="a trace goes on after its operand's"):
        verifier.check(changed)
    changed.put(name, replace(op, traces=op.traces[:, :-1]))  # type: ignore[attr-defined]
    with pytest.raises(DeployError, match="traces is of shape"):
        verifier.check(changed)


def test_plain_graphs_refuse_them() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    x = torch.rand(6, 4)
    assert form_of(spiking(model, x, PhaseCode(1.5, 9))).steps == 9
    with pytest.raises(DeployError, match=r"windows of different lengths \(5, 9, 14 steps\) have no common leak"):
        form_of(uneven(model, x))


def test_traces_side_by_side() -> None:
    assert side_by_side([np.array([3, 2]), np.array([5])]).tolist() == [[3, 2], [5, 0]]
