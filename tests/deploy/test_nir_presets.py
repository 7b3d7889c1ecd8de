"""`deploy run FILE.nir --from FRAMEWORK`: spikes are the framework's own.

snnTorch and Norse run themselves. sinabs, SpikingJelly and Rockpool are stepped here as their public sources define them
(sinabs/layers/functional/lif.py, SpikingJelly's neuron.LIFNode and IFNode, Rockpool's lif_torch.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch

from deploy.cli import main
from deploy.errors import DeployError
from deploy.nir_files import read_repaired
from deploy.nir_presets import FRAMEWORKS, apply, recognised
from processes.errors import UnsupportedGraph
from targets.nir_run import TARGETS, Discretisation, run_graph

# Exporters of snnTorch and Norse call an older function of nirtorch.
pytestmark = pytest.mark.filterwarnings("ignore:nirtorch.extract_nir_graph:DeprecationWarning")

STEPS, SAMPLES, IN, HIDDEN, OUT = 60, 2, 12, 20, 6
RNG = np.random.default_rng(0)
X = (RNG.random((SAMPLES, STEPS, IN)) < 0.4).astype(float)
W1, W2 = RNG.uniform(-0.3, 0.6, (HIDDEN, IN)), RNG.uniform(-0.3, 0.6, (OUT, HIDDEN))


def chain(first: nir.NIRNode, second: nir.NIRNode) -> nir.NIRGraph:
    return nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([IN])}), "fc1": nir.Linear(W1), "n1": first, "fc2": nir.Linear(W2),
            "n2": second, "output": nir.Output({"output": np.array([OUT])}),
        },
        [("input", "fc1"), ("fc1", "n1"), ("n1", "fc2"), ("fc2", "n2"), ("n2", "output")],
    )  # fmt: skip


def ours(graph: nir.NIRGraph, framework: str | None, reset: Any = None) -> np.ndarray:
    """Spikes (samples, steps, OUT)."""
    how = Discretisation(dt=1e-4)
    if framework is not None:
        graph, preset = apply(framework, graph)
        how = Discretisation(preset.dt, preset.method, reset or preset.reset)
    (output,) = run_graph(graph, {"input": X}, how).traces.outputs.values()
    return output


def stepped(first: Callable[[], Any], second: Callable[[], Any]) -> np.ndarray:
    """The same two layers with populations that are functions of their input."""
    one, other = first(), second()
    return np.stack([other(one(x @ W1.T) @ W2.T) for x in X.swapaxes(0, 1)], 1)


def snntorch_file(path: Path, strength: float = 1.0, **how: Any) -> np.ndarray:
    """A network that snnTorch wrote, and the spikes that it has there, where spikes are in single precision."""
    snn = pytest.importorskip("snntorch")
    export = pytest.importorskip("snntorch.export_nir")
    torch.manual_seed(0)
    layers = [torch.nn.Linear(IN, HIDDEN), snn.Leaky(beta=torch.full((HIDDEN,), 0.875), init_hidden=True, **how),
              torch.nn.Linear(HIDDEN, OUT), snn.Leaky(beta=torch.full((OUT,), 0.75), init_hidden=True, **how)]  # fmt: skip
    net = torch.nn.Sequential(*layers)
    for layer, weight in ((layers[0], W1), (layers[2], W2)):
        layer.weight.data = torch.from_numpy(strength * weight).float()
    x = torch.from_numpy(X).float().swapaxes(0, 1)
    spikes = torch.stack([net(step) for step in x], 1).detach().numpy()
    for layer in layers[1::2]:
        layer.threshold = torch.ones(layer.beta.shape)
    nir.write(path, export.export_to_nir(net, x[0], ignore_dims=[0]))
    return spikes


@pytest.mark.parametrize(
    ("how", "reset"),
    [
        ({}, None), ({"reset_mechanism": "zero"}, "v_reset"),
        # Without a delay snnTorch takes two thresholds off in another way, so that potentials have to stay below them.
        ({"reset_delay": False, "strength": 0.25}, "subtract"),
    ],
)  # fmt: skip
def test_snntorchs_own_spikes(tmp_path: Path, how: dict[str, Any], reset: Any) -> None:
    wanted = snntorch_file(tmp_path / "net.nir", **how)
    graph, _ = read_repaired(tmp_path / "net.nir")
    assert recognised(graph, graph.nodes) == "snntorch"
    assert np.array_equal(ours(graph, "snntorch", reset), wanted) and wanted.sum() > 20
    others = {None, "v_reset", "subtract"} - {reset}
    assert all(not np.array_equal(ours(graph, "snntorch", other), wanted) for other in others)


def test_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = snntorch_file(tmp_path / "net.nir")
    np.savez(tmp_path / "x.npz", x=X)
    line = ["run", str(tmp_path / "net.nir"), "--input", str(tmp_path / "x.npz"), "--target", "closed-form"]
    assert main([*line, "--output", str(tmp_path / "plain.npz")]) == 0
    assert "--from snntorch takes its time step and its reset" in " ".join(capsys.readouterr().err.split())
    assert main([*line, "--from", "snntorch", "--output", str(tmp_path / "out.npz")]) == 0
    told = capsys.readouterr()
    assert "its files do not tell resets to zero" in " ".join(told.err.split()) and "reset: delayed" in told.out
    with np.load(tmp_path / "out.npz") as found, np.load(tmp_path / "plain.npz") as plain:
        assert np.array_equal(found["output"], wanted) and not np.array_equal(plain["output"], wanted)
    assert main([*line, "--from", "snntorch", "--precision", "fixed"]) == 2
    assert "reset_delay=False" in capsys.readouterr().err
    assert main([*line, "--from", "snntorhc"]) == 2
    assert "did you mean snntorch?" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "net.nir")]) == 0
    assert "--target closed-form --from snntorch" in " ".join(capsys.readouterr().out.split())


def test_norses_own_spikes(tmp_path: Path) -> None:
    norse = pytest.importorskip("norse.torch")
    from norse.torch.utils.export_nir import to_nir

    p = norse.LIFBoxParameters(
        tau_mem_inv=torch.full((1,), 200.0, dtype=torch.float64), v_th=torch.ones(1, dtype=torch.float64),
        v_leak=torch.zeros(1, dtype=torch.float64), v_reset=torch.zeros(1, dtype=torch.float64),
    )  # fmt: skip
    layers = [torch.nn.Linear(IN, HIDDEN), norse.LIFBoxCell(p), torch.nn.Linear(HIDDEN, OUT), norse.LIFBoxCell(p)]
    net = norse.SequentialState(*layers).double()
    for layer, weight in ((layers[0], 4 * W1), (layers[2], 4 * W2)):
        layer.weight.data = torch.from_numpy(weight)
    state, spikes = None, []
    for step in torch.from_numpy(X).swapaxes(0, 1):
        y, state = net(step, state)
        spikes.append(y)
    wanted = torch.stack(spikes, 1).detach().numpy()
    nir.write(tmp_path / "net.nir", to_nir(net, torch.from_numpy(X[0, 0])))
    graph, _ = read_repaired(tmp_path / "net.nir")
    assert np.array_equal(ours(graph, "norse"), wanted) and wanted.sum() > 20


def test_sinabs_by_its_equations() -> None:
    def population(kept: float) -> Callable[[np.ndarray], np.ndarray]:
        v: Any = 0.0

        def step(x: np.ndarray) -> np.ndarray:
            nonlocal v
            v = kept * v + (1 - kept) * x
            fired = v >= 0.25
            v = v - 0.25 * fired
            return fired.astype(float)

        return step

    lifs = [nir.LIF(tau=np.full(n, tau), r=np.ones(n), v_leak=np.zeros(n), v_threshold=np.full(n, 0.25))
            for n, tau in ((HIDDEN, 2.0), (OUT, 3.0))]  # fmt: skip
    graph = chain(*lifs)
    wanted = stepped(lambda: population(np.exp(-1 / 2)), lambda: population(np.exp(-1 / 3)))
    assert np.array_equal(ours(graph, "sinabs"), wanted) and wanted.sum() > 20
    assert recognised(graph, graph.nodes) == "sinabs" and not np.array_equal(ours(graph, "sinabs", "v_reset"), wanted)


@pytest.mark.parametrize("decay_input", [True, False])
def test_spikingjelly_by_its_equations(decay_input: bool) -> None:
    def population(tau: float) -> Callable[[np.ndarray], np.ndarray]:
        v: Any = 0.0

        def step(x: np.ndarray) -> np.ndarray:
            nonlocal v
            v = v + (x - v) / tau if decay_input else v - v / tau + x
            fired = v >= 0.25
            v = np.where(fired, 0.0, v)
            return fired.astype(float)

        return step

    lifs = [nir.LIF(tau=np.full(n, tau * 1e-4), r=np.full(n, 1.0 if decay_input else tau), v_leak=np.zeros(n),
                    v_threshold=np.full(n, 0.25), v_reset=np.zeros(n)) for n, tau in ((HIDDEN, 2.0), (OUT, 4.0))]  # fmt: skip
    wanted = stepped(lambda: population(2.0), lambda: population(4.0))
    assert np.array_equal(ours(chain(*lifs), "spikingjelly"), wanted) and wanted.sum() > 20


def test_spikingjelly_fires_at_the_threshold_itself() -> None:
    node = nir.IF(r=np.full(1, 1e4), v_threshold=np.ones(1), v_reset=np.zeros(1))
    graph = nir.NIRGraph(
        {"input": nir.Input({"input": np.array([1])}), "n": node, "output": nir.Output({"output": np.array([1])})},
        [("input", "n"), ("n", "output")],
    )
    changed, preset = apply("spikingjelly", graph)
    counts = [
        run_graph(g, {"input": np.full((1, 8, 1), 0.5)}, Discretisation(preset.dt)).traces.outputs["output"].sum()
        for g in (changed, graph)
    ]
    assert counts == [4, 2]  # every second step; above the threshold only at every third


def test_rockpool_by_its_equations() -> None:
    dt = 1e-3

    def population(tau_mem: float, tau_syn: float) -> Callable[[np.ndarray], np.ndarray]:
        i: Any = 0.0
        v: Any = 0.0

        def step(x: np.ndarray) -> np.ndarray:
            nonlocal i, v
            i = np.exp(-dt / tau_syn) * (i + x)
            v = np.exp(-dt / tau_mem) * v + i
            fired = v >= 3.0
            v = v - 3.0 * fired
            return fired.astype(float)

        return step

    taus = ((HIDDEN, 5e-3, 2e-3), (OUT, 8e-3, 3e-3))
    nodes = [nir.CubaLIF(tau_mem=np.full(n, m), tau_syn=np.full(n, s), r=np.full(n, m * np.exp(-dt / m) / dt),
                         v_leak=np.zeros(n), v_threshold=np.full(n, 3.0)) for n, m, s in taus]  # fmt: skip
    graph = chain(*nodes)
    wanted = stepped(lambda: population(5e-3, 2e-3), lambda: population(8e-3, 3e-3))
    assert np.isclose(apply("rockpool", graph)[1].dt, dt)  # told by r
    assert np.array_equal(ours(graph, "rockpool"), wanted) and wanted.sum() > 20


def test_what_has_no_form_is_refused() -> None:
    cuba = nir.CubaLIF(*(np.ones(1) for _ in range(5)))
    graph = nir.NIRGraph(
        {"input": nir.Input({"input": np.array([1])}), "n": cuba, "output": nir.Output({"output": np.array([1])})},
        [("input", "n"), ("n", "output")],
    )
    for framework in ("norse", "sinabs", "spikingjelly"):
        with pytest.raises(UnsupportedGraph) as error:
            apply(framework, graph)
        assert error.value.refusals[0].node == "n"
    with pytest.raises(DeployError, match="did you mean rockpool"):
        apply("rockpol", graph)
    chips = [target for target in TARGETS if target not in ("lava-sim", "stepper", "closed-form")]
    for target in chips:
        with pytest.raises(DeployError, match="chips reset at the spike"):
            run_graph(graph, {"input": np.ones((1, 2, 1))}, Discretisation(1e-4, reset="delayed"), target)
    assert len(FRAMEWORKS) == 5
