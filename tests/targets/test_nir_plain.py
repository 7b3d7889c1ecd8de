"""Plain NIR: a network trained on Fashion-MNIST in LIF, Affine and Conv2d, run by us, snnTorch and Norse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import nn

from converters.pipeline import convert_module
from deploy import demo
from deploy.export import input_codes
from evaluator.closed_form import ClosedForm
from evaluator.nir_reader import read_graph
from processes.errors import DeployError
from processes.network import Network, PhaseNeuron
from processes.operation import Result
from processes.phase_code import PhaseCode
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import compile_float, interpret
from targets.nir_modules import nir_modules
from targets.nir_plain import DIALECTS, form_of, plain_network, stages_of
from targets.nir_segments import cut, run_segments
from targets.simulators import simulate
from tests.converters.modules import images, small_vit, spiking
from tests.tolerances import IMPORTED, SILENCE_SENT

STEPS, BASE, IMAGES = 16, 1.4, 100


def trained(*layers: nn.Module) -> nn.Sequential:
    """A network that has seen 900 images a few times; predicts far above chance."""
    torch.manual_seed(0)
    net = nn.Sequential(*layers)
    x, y = (torch.from_numpy(a[:900]) for a in demo.evaluation_data())
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(8):
        for batch in torch.arange(900).split(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="module", params=["dense", "conv"])
def network(request: pytest.FixtureRequest) -> Network:
    if request.param == "dense":
        net = trained(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 10))
    else:
        net = trained(nn.Conv2d(1, 3, 5, stride=4, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(147, 10))
    calibration = demo.calibration_data()[0]
    return convert_module(net, [calibration], STEPS, BASE, fixed=False, input_spikes=2).calibrated


def expected(network: Network, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Codes of the hidden layers, how far their potentials are from a threshold (of their largest), and the outputs."""
    codes: list[np.ndarray] = []
    margins: list[np.ndarray] = []
    potentials: dict[str, torch.Tensor] = {}
    stages = stages_of(network)

    def observe(name: str, op: Any, result: Result) -> None:
        y = result.values
        potentials[name] = y
        if isinstance(op, PhaseNeuron) and (source := network.nodes[name].inputs[0]) != Network.INPUT:
            codes.append(y.numpy()[0].reshape(len(x), -1))
            level = op.schedule.tables[3][:, 0].reshape(op.schedule.scale.shape)
            values = np.maximum((potentials[source].numpy() / level).reshape(len(x), -1), 1e-9)
            distance = np.abs(values[..., None] - PhaseCode(BASE, STEPS).midpoints).min(-1)
            margins.append(distance / stages[len(margins)].reach())

    outputs = ClosedForm(network, torch.float64).run(x, observe).numpy()
    return codes, margins, outputs.reshape(len(x), -1)


def run(network: Network, dialect: str, x: np.ndarray, path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The same by a simulator of that dialect, or for the others by the interpreter of NIR's equations."""
    plain = plain_network(stages_of(network), form_of(network), DIALECTS[dialect])
    nir.write(path, plain.graph)
    graph, inputs = read_graph(path), plain.encode(input_codes(network, x))
    if dialect in ("snntorch", "norse"):
        outputs, spikes = simulate(dialect, graph, inputs)
    else:
        how: Any = DIALECTS[dialect].dt, "exact" if dialect == "sinabs" else "euler"
        reset: Any = "subtract" if dialect == "sinabs" else "v_reset"
        traces = interpret(compile_float(make_plan(graph, *how), *how, reset), {"input": inputs})
        outputs, spikes = traces.outputs["output"], traces.spikes
    codes = [plain.codes(spikes[name], i)[0].reshape(len(x), -1) for i, name in enumerate(plain.names)]
    return codes, plain.decode(outputs).reshape(len(x), -1)


@pytest.mark.parametrize("dialect", ["snntorch", "norse", "spikingjelly"])
def test_spike_times_are_the_closed_forms(network: Network, dialect: str, tmp_path: Path) -> None:
    """Every neuron of every hidden layer, silence included; but for ties, which importers decide by rounding weights."""
    x = demo.evaluation_data()[0][-IMAGES:]
    codes, outputs = run(network, dialect, x, tmp_path / "plain.nir")
    wanted, margins, exact = expected(network, x)
    tied = np.zeros(len(x), bool)
    for got, want, margin in zip(codes, wanted, margins, strict=True):
        assert (want == 0).any() and len(np.unique(want)) > 10
        ties = margin < IMPORTED
        same = (got == want) | ties
        assert same[~tied].all(), (got != want).sum()
        tied |= (got != want).any(1)  # what follows a tie may differ
    assert tied.mean() < 0.05
    outputs, exact = outputs[~tied], exact[~tied]
    np.testing.assert_allclose(outputs, exact, rtol=0, atol=1e-5 * np.abs(exact).max())


def test_subtracting_resets_send_the_lowest_level_for_silence(network: Network, tmp_path: Path) -> None:
    x = demo.evaluation_data()[0][-IMAGES:]
    codes, outputs = run(network, "sinabs", x, tmp_path / "plain.nir")
    wanted, _, exact = expected(network, x)
    np.testing.assert_array_equal(codes[0], np.where(wanted[0] == 0, STEPS, wanted[0]))
    assert (outputs.argmax(1) == exact.argmax(1)).mean() >= SILENCE_SENT


def test_what_is_not_plain_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.GELU(), nn.Linear(8, 3)).eval()
    converted = convert_module(net, [demo.calibration_data()[0][:16]], STEPS, BASE, fixed=False).calibrated
    with pytest.raises(DeployError, match="gelu is no leaky"):
        stages_of(converted)
    vit = spiking(small_vit(), torch.from_numpy(images(8)), PhaseCode(BASE, STEPS))
    with pytest.raises(DeployError, match="reorders values"):
        stages_of(vit)


@pytest.mark.parametrize("simulator", ["snntorch", "norse"])
def test_a_transformers_segments_in_a_simulator(simulator: str) -> None:
    """The cut network with its segments stepped elsewhere puts out what the closed form does."""
    x = images(4)
    vit = spiking(small_vit(), torch.from_numpy(images(8)), PhaseCode(BASE, STEPS))
    segments = cut(vit, simulator)
    assert any(s.neuron for s in segments) and any(s.neuron is None for s in segments)
    got = run_segments(vit, x, simulator, segments).outputs
    want = ClosedForm(vit, torch.float64).run(x).numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_nirtorch_runs_the_whole_file(tmp_path: Path) -> None:
    nirtorch = pytest.importorskip("nirtorch")
    x = images(4)
    vit = spiking(small_vit(), torch.from_numpy(images(8)), PhaseCode(BASE, STEPS))
    nir.write(tmp_path / "vit.nir", vit.to_nir())
    graph, node_map = nir_modules(nir.read(tmp_path / "vit.nir", type_check=False))
    outputs, _ = nirtorch.nir_to_torch(graph, node_map)(torch.from_numpy(x))
    runner = ClosedForm(vit)
    np.testing.assert_array_equal(outputs.numpy(), runner.real(runner.run(x)).numpy())
