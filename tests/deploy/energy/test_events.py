"""Events by the rules on codes are those counted step by step, in every node; a small network is counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.calibrate import calibrate
from converters.discretise import discretise
from converters.integrate_and_fire import Method, integrate_and_fire
from converters.pipeline import Variant, convert_module
from deploy.energy import EVENTS, EventCounter, count_run, differing, energy, neurobench
from deploy.schema import NeuroBench, SynapticOperations
from evaluator.closed_form import ClosedForm
from evaluator.stepping import Recorder, step_through
from evaluator.timeline import timeline
from processes.chips import LOIHI2
from processes.header import Header
from processes.network import DenseSynapse, IfNeuron, Network, PhaseNeuron, Readout, Route
from processes.phase_code import PhaseCode
from processes.phase_neuron.schedule import FloatSchedule
from tests.converters.modules import apart, end_early, gated, images, lowered, mixture, module, small_vit, uneven
from tests.converters.test_integrate_and_fire import relu_vit
from tests.deploy.energy.stepwise import count_stepwise

CODE = PhaseCode(2.0, 3)  # levels 1, 1/2, 1/4; midpoints 3/4, 3/8, 3/16


def two_layers() -> Network:
    """Two neurons of scale 4, W = [[1, 2], [0, -1]], two ReLUs of scale 4, W = [[1, 1]], one output."""
    ones = np.ones((1, 1))

    def neurons(function: str) -> PhaseNeuron:
        schedule = FloatSchedule(function=function, scale=4 * ones, unit=ones, base=CODE.base, steps=CODE.steps)
        return PhaseNeuron(shape=(1, 2), schedule=schedule)

    def dense(weight: list[list[float]]) -> DenseSynapse:
        held = 4 * np.array(weight)
        return DenseSynapse(shape=(1, len(weight)), weight=held, bias=np.zeros(len(weight)), trace=CODE.levels)

    network = Network((1, 2), header=Header(timesteps=3))
    network.add("code", neurons("identity"), Network.INPUT)
    network.add("first", dense([[1, 2], [0, -1]]), "code")
    network.add("relu", neurons("relu"), "first")
    network.add("second", dense([[1, 1]]), "relu")
    network.add("readout", Readout(shape=(1, 1), unit=ones), "second")
    return network


# 3 fires at step 0 and stands for 4, -1.6 at step 1 and for -2: the ReLUs see 0 and 2, the second fires at step 1.
# 0.8 fires at step 2 and stands for 1, 0.7 is silent: the ReLUs see 1 and 0, the first fires at step 2.
SAMPLES = np.array([[3.0, -1.6], [0.8, 0.7]], np.float32)


def counted() -> EventCounter:
    counter = EventCounter(two_layers())
    for sample in SAMPLES:  # in two batches
        ClosedForm(counter.network).run(sample[None], counter)
    return counter


def test_events_of_two_layers_by_hand() -> None:
    counter = counted()
    assert counter.samples == 2 and not counter.uncounted
    assert dict(counter.totals) == {
        "spikes": (2 + 1) + (1 + 1),
        "graded_spikes": 2,  # the readout, once a sample
        "transfers": 2 * 2 + (2 + 1) + (1 + 1),  # the input's numbers, then every spike to one layer
        "synaptic_operations": (1 + 2 + 1) + (1 + 1),  # the first input has one synapse that is not zero
        "potential_updates": 2 * 2 + (2 * 2 + 1) + (2 + 1),  # the input's; then steps with a spike times targets
        "compares": (1 + 2) + (3 + 2) + (3 + 3) + (3 + 3),
        "silent_compares": 20 - 5,
        "neuron_steps": 2 * 5 * 7,  # five neurons with the readout; windows at 0-2, 3-5 and 6
        "macs": 2 * (4 + 2),
        "outputs": 2 * (2 + 1),
    }


def test_energy_of_two_layers_by_hand() -> None:
    found = energy(counted())
    spiking = {name: 1e6 * entry.snn_microjoules for name, entry in found.items()}
    assert spiking == pytest.approx({
        "45nm-additions": 3 * 0.9,
        "45nm-integer": 3 * 0.1,
        # a read of 33/32 words and an addition; two accesses, a product, three additions and 1/32 access
        "spikedattention": 2 * (5 * 33 / 32 + 0.9) + 7.5 * (10 + 3.7 + 2.7 + 5 / 32),
        "45nm-memory": 3 * 1.35 + 6 * 10.6 + 10 * 7.6 + 2.5 * 5 + 1 * 8.75 + 4.5 * 5,
        "loihi1": 3 * 35.5 + 35 * 51.2 + 6 * 21.6 + 2.5 * 69.3 + 1 * 69.3 + 4.5 * 4.2,
    })  # fmt: skip
    published = found["spikedattention"]
    omitted = 1 * (5 * 33 / 32 + 0.9) + 6 * 13.7 + 1 * 3.75  # the second layer, integration, graded spikes
    assert 1e6 * published.snn_microjoules_with_omitted == pytest.approx(spiking["spikedattention"] + omitted)
    assert 1e6 * published.ann.fp32.microjoules == pytest.approx(4 * 14.6 + 3 * 5)
    assert 1e6 * published.ann.fp32.microjoules_with_omitted == pytest.approx(6 * 14.6 + 3 * 5)
    lowest = 3 * 24.0 + 35 * 51.2 + 6 * 21.6 + 2.5 * 69.3 + 1 * 69.3 + 4.5 * 3.0
    assert 1e6 * found["loihi1"].snn_microjoules_low == pytest.approx(lowest)
    additions = found["45nm-additions"].ann
    assert 1e6 * additions.fp32.microjoules == pytest.approx(6 * 4.6)
    assert 1e6 * additions.int8.microjoules == pytest.approx(6 * 0.23)


def test_neurobench_of_two_layers_by_hand() -> None:
    assert neurobench(counted()) == NeuroBench(
        footprint=8 * (4 + 2 + 2 + 1 + 3 + 3),  # weights, biases, traces in float64
        connection_sparsity=1 / 6,
        activation_sparsity=1 - 2.5 / (4 * 3),
        synaptic_operations=SynapticOperations(effective_macs=0, effective_acs=3.0, dense=3 * (4 + 2)),
        membrane_updates=6.0,
    )


torch.manual_seed(0)
NETWORKS: dict[str, tuple[nn.Module, torch.Tensor, dict]] = {
    "vision transformer": (small_vit(), torch.from_numpy(images(8)), {}),
    "two spikes": (small_vit(), torch.from_numpy(images(8)), {"spikes": 2}),
    "second spikes that end early": (small_vit(), torch.from_numpy(images(8)), {"spikes": 2}),
    "masked attention, biased": (
        module(
            lambda m, x: m.o(F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(F.relu(m.h(x))), is_causal=True)),
            q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), h=nn.Linear(8, 8), o=nn.Linear(8, 3),
        ),
        torch.randn(8, 5, 8, generator=torch.Generator().manual_seed(0)),
        {},
    ),
    "attention in windows of unequal length": (apart(), torch.randn(8, 3, 4), {"spikes": 2}),
    "gates in windows of unequal length": (gated(), torch.from_numpy(images(8)), {"spikes": 2}),
    "gates": (gated(), torch.from_numpy(images(8)), {"spikes": 2}),
    "convolutions and a mean": (
        module(
            lambda m, x: m.b(F.relu(m.d(F.relu(m.c(x)))).mean((-2, -1))),
            c=nn.Conv2d(2, 4, 3, padding=1), d=nn.Conv2d(4, 4, 3, stride=2, groups=2, dilation=2), b=nn.Linear(4, 3),
        ),
        torch.randn(8, 2, 7, 7, generator=torch.Generator().manual_seed(0)),
        {},
    ),
    "k winners": (mixture(), torch.randn(8, 3, 4, generator=torch.Generator().manual_seed(0)), {"spikes": 2}),
    "maxima": (
        module(
            lambda m, x: m.b(F.max_pool2d(m.c(F.max_pool2d(F.relu(m.c(x)), (3, 2), 1, (1, 0), (2, 1))), 2).amax((-2, -1))),
            c=nn.Conv2d(3, 3, 3, padding=1), b=nn.Linear(3, 3),
        ),
        torch.randn(8, 3, 7, 7, generator=torch.Generator().manual_seed(0)),
        {"spikes": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_rules_count_what_happens_step_by_step(name: str) -> None:
    model, x, options = NETWORKS[name]
    if "unequal" in name:
        floating = uneven(model, x, **options)
    else:
        floating = calibrate(lowered(model, x), x.numpy(), PhaseCode(1.4, 12), **options)
    network = discretise(end_early(floating) if "early" in name else floating, x.numpy(), LOIHI2)
    few = np.concatenate([x[:2].numpy(), 3 * x[2:3].numpy()])
    counter = EventCounter(network)
    ClosedForm(network).run(few, counter)
    expected = count_stepwise(network, ClosedForm(network, torch.float64).encode(few).numpy().astype(np.int64))
    for node in counter.counts:
        for event in set(EVENTS) - {"macs", "outputs"}:
            assert counter.counts[node][event] == expected[node][event], f"{event} of {node}"
    assert counter.totals["synaptic_operations"] > 100


@pytest.mark.parametrize("activation", ["schedule", "fitted"])
def test_operations_of_sit_are_counted_step_by_step(activation: str) -> None:
    x = images(8)
    variant = Variant(method="sit", activation=activation)  # type: ignore[arg-type]
    network = convert_module(small_vit(), [x], 12, 2.0, spikes=6, input_spikes=6, fixed=True, variant=variant).network
    counter = EventCounter(network)
    ClosedForm(network).run(x[:2], counter)
    expected = count_stepwise(network, ClosedForm(network, torch.float64).encode(x[:2]).numpy().astype(np.int64))
    assert {"si_exp", "si_norm"} <= {network[name].name for name in counter.counts} and not counter.uncounted
    for node in counter.counts:
        for event in set(EVENTS) - {"macs", "outputs"}:
            assert counter.counts[node][event] == expected[node][event], f"{event} of {node}"


def integrating(x: torch.Tensor, method: Method, bias: bool) -> Network:
    """Convolution, ReLU, linear, ReLU, linear on neurons that fire while currents arrive."""
    torch.manual_seed(1)
    model = module(
        lambda m, x: m.c(F.relu(m.b(F.relu(m.a(x)).flatten(1)))),
        a=nn.Conv2d(1, 3, 3, padding=1, bias=bias), b=nn.Linear(108, 6, bias=bias), c=nn.Linear(6, 3),
    )  # fmt: skip
    return integrate_and_fire(lowered(model, x), x.numpy(), method, 8, masked=0.25 if method == "mst" else 0.0)[0]


def counted_both_ways(network: Network, x: np.ndarray) -> EventCounter:
    """By the rules on codes, after every event of every node has been compared with the one counted step by step."""
    counter = EventCounter(network)
    ClosedForm(network, torch.float64).run(x, counter)
    expected = count_stepwise(network, ClosedForm(network, torch.float64).encode(x).numpy())
    assert not counter.uncounted
    for node in counter.counts:
        for event in set(EVENTS) - {"macs", "outputs"}:
            assert counter.counts[node][event] == expected[node][event], f"{event} of {node}"
    return counter


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["qcfs", "snm", "mst"])
def test_integrate_and_fire_in_a_transformer_is_counted_step_by_step(method: Method) -> None:
    """Attention hears their trains of several spikes a neuron, of either sign."""
    x = torch.rand(8, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    masked = 0.25 if method == "mst" else 0.0
    network = integrate_and_fire(lowered(relu_vit(), x), x.numpy(), method, 8, masked=masked)[0]
    assert counted_both_ways(network, x[:2].numpy()).totals["synaptic_operations"] > 100


@pytest.mark.parametrize(
    "method, bias", [("qcfs", True), ("qcfs", False), ("snm", True), ("snm", False), ("mst", True), ("mst", False)]
)
def test_integrate_and_fire_is_counted_step_by_step(method: Method, bias: bool) -> None:
    x = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    network = integrating(x, method, bias)
    counter = counted_both_ways(network, x[:3].numpy())
    streaming = [name for name, node in network if isinstance(node.op, IfNeuron) and node.op.streams]
    assert len(streaming) == 2 and all(counter.counts[name]["spikes"] for name in streaming)
    fewer = replace(network[streaming[0]], initial=0.25 * (network[streaming[0]].initial == 0))  # type: ignore[attr-defined]
    network.put(streaming[0], fewer)
    changed = count_stepwise(network, ClosedForm(network, torch.float64).encode(x[:3].numpy()).numpy())
    assert changed[streaming[0]]["spikes"] != counter.counts[streaming[0]]["spikes"]


def test_a_run_is_counted_from_its_own_spikes() -> None:
    x = images(8)
    network = discretise(calibrate(lowered(small_vit(), torch.from_numpy(x)), x, PhaseCode(1.4, 12)), x, LOIHI2)
    times, closed = timeline(network), EventCounter(network)
    ClosedForm(network).run(x[:2], closed)
    runs = []
    for sample in ClosedForm(network, torch.float64).encode(x[:2]).numpy().astype(np.int64):
        recorder = Recorder(network, times)
        step_through(network, times, sample, recorder)
        runs.append(recorder.values)
    values = {name: np.stack([run[name] for run in runs]) for name, node in network if not isinstance(node.op, Route)}
    stepped = count_run(network, values)
    assert differing(closed, stepped) == 0 and stepped.samples == 2
    firing = next(name for name, node in network if node.op.fires)
    values[firing].reshape(-1)[0] = 1 - values[firing].reshape(-1)[0].clip(0, 1)  # one spike more or less
    assert differing(closed, count_run(network, values)) > 0


@pytest.mark.parametrize("winner", ["graded", "race"])
def test_finding_the_winner_is_counted(winner: str) -> None:
    """By graded spikes everybody sends; by a race, only those who cross with the winner."""
    torch.manual_seed(0)
    x = torch.randn(8, 5, 8).numpy()
    model = module(
        lambda m, x: m.o(F.scaled_dot_product_attention(m.q(x), m.k(x), m.v(x))),
        q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), o=nn.Linear(8, 3),
    )  # fmt: skip
    network = convert_module(model, [x], 12, 1.4, variant=Variant(winner=winner)).network  # type: ignore[arg-type]
    counter = EventCounter(network)
    ClosedForm(network).run(x[:4], counter)
    (name,) = [name for name, node in network if node.op.name == "woss"]
    graded = counter.counts[name]["graded_spikes"]
    neurons, rows = 4 * 5 * 5, 4 * 5
    assert graded == neurons + rows if winner == "graded" else 2 * rows <= graded < neurons
