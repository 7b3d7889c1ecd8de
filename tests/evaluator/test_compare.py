"""The comparison finds what it promises to find: one wrong spike, potential or clip in a real run, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.discretise import discretise
from converters.integrate_and_fire import integrate_and_fire
from evaluator import compare as comparison
from evaluator.compare import POTENTIAL, TIE, compare
from evaluator.timeline import timeline
from processes.chips import LOIHI2
from processes.if_neuron import IfNeuron
from processes.max_pool import MaxPool
from processes.network import Network, Route
from processes.phase_code import PhaseCode
from tests import tolerances
from tests.converters.modules import lowered, module, spiking
from tests.stepped import step_samples

CODE = PhaseCode(1.4, 8)
SAMPLES = np.random.default_rng(7).normal(size=(2, 3, 4)).astype(np.float32)
Networks = dict[str, Network]


@pytest.fixture(scope="module")
def networks() -> Networks:
    """The same attention block with a residual stream and LayerNorm in floating point and in integers, one spike a value."""
    model = module(
        lambda m, x: m.o(m.n(x + F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x)))),
        q=nn.Linear(4, 4), k=nn.Linear(4, 4), v=nn.Linear(4, 4), n=nn.LayerNorm(4), o=nn.Linear(4, 3),
    )  # fmt: skip
    calibration = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
    floating = spiking(model, torch.from_numpy(calibration), CODE)
    return {"float": floating, "fixed": discretise(floating, calibration, LOIHI2)}


def nodes(network: Network, fires: bool) -> list[str]:
    """Nodes that send spikes, or those that send potentials."""
    return [name for name, node in network if node.op.fires == fires and not isinstance(node.op, Route)]


class Once:
    """Changes one value of one node's messages, the first that ``suits``, and remembers where and when."""

    def __init__(self, node: str, suits: Callable[[np.ndarray], np.ndarray], change: Callable[[float], float]) -> None:
        self.node, self.suits, self.change = node, suits, change
        self.place: tuple[int, ...] | None = None

    def __call__(self, name: str, t: int, message: np.ndarray) -> None:
        if name != self.node or self.place is not None or not self.suits(message).any():
            return
        self.place, self.step = tuple(int(i) for i in np.argwhere(self.suits(message))[0]), t
        self.before = message[self.place]
        message[self.place] = self.change(self.before)


def lost_spike(name: str) -> Once:
    """The first spike that a node sends does not leave it."""
    return Once(name, lambda message: message != 0, lambda spike: 0)


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_a_run_without_faults_has_no_mismatch(networks: Networks, precision: str) -> None:
    network = networks[precision]
    found = compare(network, SAMPLES, step_samples(network, SAMPLES))
    assert (found.mismatches, found.first) == (0, None)
    assert found.compared_spikes > 100 and found.compared_potentials > 100


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_one_lost_spike_is_one_mismatch_wherever_it_is_lost(networks: Networks, precision: str) -> None:
    """Layer, sample, neuron and step are named; what follows from the lost spike is not counted again."""
    network = networks[precision]
    windows = timeline(network).windows
    for name in nodes(network, fires=True):
        fault = lost_spike(name)
        found = compare(network, SAMPLES, step_samples(network, SAMPLES, {1: fault}))
        assert fault.place is not None and found.mismatches == 1, name
        spike = f"a {'+' if fault.before > 0 else '-'} spike at step {fault.step - windows[name].start}"
        assert found.first == f"layer '{name}', sample 1, neuron {fault.place}: silence, not {spike}"


def test_every_potential_of_integers_is_exact(networks: Networks) -> None:
    """One unit more is one mismatch in every layer, also where it is less than what floating point may round by."""
    network, largest = networks["fixed"], 0.0
    for name in nodes(network, fires=False):
        fault = Once(name, lambda message: np.ones(message.shape, bool), lambda potential: potential + 1)
        run = step_samples(network, SAMPLES, {1: fault})
        largest = max(largest, float(np.abs(run.values[name]).max()))
        found = compare(network, SAMPLES, run)
        assert found.mismatches == 1, name
        assert (found.first or "").startswith(f"layer '{name}', sample 1, neuron {fault.place}: potential "), (
            found.first
        )
    assert POTENTIAL * largest > 1


def test_a_potential_of_floating_point_may_differ_by_rounding_alone(networks: Networks) -> None:
    network = networks["float"]
    name = network.output
    peak = float(np.abs(step_samples(network, SAMPLES).values[name]).max())
    counted = []
    for share in (POTENTIAL / 2, 2 * POTENTIAL):
        fault = Once(name, lambda message: np.ones(message.shape, bool), lambda v, d=share * peak: v + d)
        counted.append(compare(network, SAMPLES, step_samples(network, SAMPLES, {0: fault})).mismatches)
    assert counted == [0, 1]


@pytest.mark.parametrize("precision", ["float", "fixed"])
def test_one_clip_that_was_not_counted_is_one_mismatch(networks: Networks, precision: str) -> None:
    network = networks[precision]
    run = step_samples(network, SAMPLES)
    for name in nodes(network, fires=False):
        counted = dict.fromkeys(run.clips, 0) | {name: 1}
        found = compare(network, SAMPLES, replace(run, clips=counted))
        assert (found.mismatches, found.first) == (1, f"layer '{name}': 1 potentials saturated, not 0")


def test_mismatches_add_up_and_the_first_is_the_networks_first(networks: Networks) -> None:
    network = networks["fixed"]
    early, late = nodes(network, fires=True)[0], network.output
    faults = {1: lost_spike(early), 0: Once(late, lambda message: np.ones(message.shape, bool), lambda v: v - 5)}
    found = compare(network, SAMPLES, step_samples(network, SAMPLES, faults))
    assert found.mismatches == 2
    assert (found.first or "").startswith(f"layer '{early}', sample 1")


@pytest.mark.parametrize("fires", [True, False])
def test_of_several_in_a_layer_the_first_place_is_named(networks: Networks, fires: bool) -> None:
    """The first by sample, then by neuron."""
    network = networks["fixed"]
    name = nodes(network, fires)[-1]
    run = step_samples(network, SAMPLES)
    values = run.values[name].copy()
    places = [(0, *np.argwhere(values[0])[at]) for at in (1, -1)] + [(1, *np.argwhere(values[1])[0])]
    for place in places:
        values[place] = 0 if fires else values[place] + 1
    # what reads the spikes was stepped with them all, and so differs as well, but comes later
    found = compare(network, SAMPLES, replace(run, values=run.values | {name: values}))
    assert found.mismatches >= len(places)
    first = tuple(int(i) for i in (places[0][2:] if fires else places[0][1:]))
    assert (found.first or "").startswith(f"layer '{name}', sample 0, neuron {first}: "), found.first


def near_threshold(distance: float) -> tuple[Network, np.ndarray, str, int]:
    """A network, one sample whose first value lies ``distance`` (relative) above a threshold, its coder, and that step."""
    model = module(lambda m, x: m.a(x), a=nn.Linear(4, 3))
    x = torch.rand(8, 2, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    network = spiking(model, x, CODE)
    coder, k = nodes(network, fires=True)[0], 3
    # the others fire one at each of the steps around k, so that there is a message to write into
    values = np.concatenate([CODE.midpoints[k : k + 1] * (1 + distance), CODE.levels[:7]])
    scale = np.broadcast_to(network[coder].scale, (1, 2, 4))  # type: ignore[attr-defined]
    return network, scale * values.reshape(1, 2, 4), coder, k


@pytest.mark.parametrize(
    "distance, code, tie",
    [
        (TIE / 3, 1, True),  # one step later: what a potential slightly below the threshold gives
        (TIE / 3, 2, False),  # two steps later: no potential nearby gives it
        (TIE / 3, -1, False),  # one step earlier: on the other side of another threshold
        (3 * TIE, 1, False),  # too far above the threshold
        (-TIE / 3, -1, True),  # below it, so fired later; stepped as if it were above
    ],
)
def test_a_tie_is_excused_only_by_the_spike_that_a_moved_potential_gives(distance: float, code: int, tie: bool) -> None:
    network, sample, coder, k = near_threshold(distance)
    run = step_samples(network, sample)
    fired = k + 1 + (distance < 0)
    assert run.values[coder][0, 0].reshape(-1)[0] == fired
    start = timeline(network).windows[coder].start

    def delay(name: str, t: int, message: np.ndarray) -> None:
        if name == coder and t == start + fired - 1:
            message.reshape(-1)[0] = 0
        if name == coder and t == start + fired - 1 + code:
            message.reshape(-1)[0] = 1

    found = compare(network, sample, step_samples(network, sample, {0: delay}))
    assert (found.ties, found.mismatches) == ((1, 0) if tie else (0, 1)), found.first


def test_no_wrong_spike_of_neurons_that_read_spikes_is_a_tie() -> None:
    """Rounding cannot move a spike in time: a maximum that is passed on one step early is a mismatch."""
    model = module(lambda m, x: m.b(m.a(x).amax(1, keepdim=True)), a=nn.Linear(4, 6), b=nn.Linear(6, 3))
    network = spiking(model, torch.from_numpy(np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)), CODE)
    (name,) = [name for name, node in network if isinstance(node.op, MaxPool)]
    run = step_samples(network, SAMPLES)
    codes = run.values[name]
    early = np.sign(codes) * np.maximum(abs(codes) - 1, np.minimum(abs(codes), 1))
    found = compare(network, SAMPLES, replace(run, values=run.values | {name: early}))
    assert (early != codes).sum() > 4
    assert found.ties == 0 and found.mismatches >= (early != codes).sum()


def test_ties_of_neurons_that_fire_while_currents_arrive_are_excused() -> None:
    """Half a threshold before the first step and half of one with each current make ties, which the stepped run loses."""
    model = module(
        lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x))))),
        a=nn.Linear(4, 4, bias=False), b=nn.Linear(4, 4, bias=False), c=nn.Linear(4, 2),
    )  # fmt: skip
    with torch.no_grad():
        model.get_parameter("a.weight").copy_(torch.eye(4))
        model.get_parameter("b.weight").copy_(torch.eye(4))
    x = torch.rand(8, 1, 4, generator=torch.Generator().manual_seed(0))
    network = integrate_and_fire(lowered(model, x), x.numpy(), "qcfs", 8)[0]
    name = [name for name, node in network if isinstance(node.op, IfNeuron) and node.op.streams][-1]
    op: Any = network[name]
    spike = network[network.nodes[name].inputs[0]].weight.max()  # type: ignore[attr-defined]
    stepped = network.copy()
    network.put(name, replace(op, threshold=np.full_like(op.threshold, 2 * spike)))
    stepped.put(name, replace(op, threshold=np.full_like(op.threshold, 2 * spike * (1 + TIE / 100))))
    found = compare(network, x.numpy(), step_samples(stepped, x.numpy()))
    assert (found.mismatches, found.first) == (0, None) and found.ties > 10


def test_ties_are_no_wider_than_the_tolerance_says() -> None:
    assert comparison.TIE == tolerances.TIE
