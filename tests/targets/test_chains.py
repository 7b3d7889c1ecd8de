"""Adapters of chips without their simulators: matrices, integers, and what is refused with which number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest

from deploy.cli import main
from processes.errors import DeployError, UnsupportedGraph
from targets.chains import HOLDERS, Request, speck, xylo
from targets.chains.chain import SPIKING, chain_of
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import Program
from tests.targets.nir_chains import (
    DT,
    affine,
    chain,
    cuba_chain,
    full,
    if_convolutions,
    lif_chain,
    run_on,
    spikes,
    threshold_chain,
)  # fmt: skip


def request(graph: nir.NIRGraph, reset: str = "subtract") -> Request:
    def fixed() -> Program:
        raise AssertionError("no integers of Loihi's are asked for")

    return Request(make_plan(graph, DT), fixed, spikes(graph), DT, "euler", reset)  # type: ignore[arg-type]


def integrators(sources: int, neurons: int) -> nir.NIRGraph:
    fires = nir.IF(r=full(neurons, 1 / DT), v_threshold=full(neurons, 1.0))
    return chain(affine(np.random.default_rng(0), sources, neurons, 0.3), fires, reads=(sources,), puts=(neurons,))


def test_a_matrix_is_what_lies_between_two_populations() -> None:
    graph = if_convolutions()
    populations = chain_of(make_plan(graph, DT), DT, "euler", SPIKING, "a chip").populations
    assert [p.weight.shape for p in populations] == [(256, 128), (5, 256)]
    x = spikes(graph)["input"]
    wanted = run_on("closed-form", graph, {"input": x}, "subtract").traces.spikes
    drive = x.reshape(*x.shape[:2], -1)
    for population in populations:
        v, fired = np.zeros((len(x), len(population.bias))), []
        for t in range(x.shape[1]):
            v = v + drive[:, t] @ population.weight.T + population.bias
            fired.append(v > 1)
            v = v - fired[-1]
        drive = np.stack(fired, 1)
        assert (drive == wanted[population.name].reshape(drive.shape)).mean() > 0.999  # sums in another order


@pytest.mark.parametrize("target, graph, reset", [
    ("speck", if_convolutions(), "v_reset"), ("speck", if_convolutions(), "subtract"), ("xylo", cuba_chain(), "subtract"),
    ("akida", threshold_chain(), "v_reset"), ("spinnaker2", lif_chain(), "v_reset"),
])  # fmt: skip
def test_integers_do_what_the_graph_does(target: str, graph: nir.NIRGraph, reset: str) -> None:
    """Stepped in numpy; `make targets-check` has the simulators do the same."""
    module, function = HOLDERS[target].split(":")
    held = getattr(__import__(module, fromlist=[function]), function)(request(graph, reset))
    x = spikes(graph)
    steps = held.ours(x["input"][0].astype(np.int64).reshape(60, -1))
    wanted = run_on("closed-form", graph, x, reset).traces.outputs["output"][0]
    assert abs(steps[-1].sum() - wanted.sum()) < 0.3 * wanted.sum()
    coarsest = 1 / 7 if target == "akida" else 1 / 15  # a unit of the weights, of which the largest has 7 there
    assert held.roundings and all(rounding.error < coarsest for rounding in held.roundings)


def test_xylo_decays_by_one_at_least_and_to_zero() -> None:
    x = np.array([10, 5, 1, 0, -1, -10])
    assert xylo.decay(x, np.full(6, 2)).tolist() == [8, 4, 0, 0, 0, -7]


def test_specks_memory_is_counted_as_its_maker_does() -> None:
    convolution, dense = chain_of(make_plan(if_convolutions(), DT), DT, "euler", SPIKING, "Speck").populations
    assert speck.memory(convolution) == {"kernel": 2 * 2 ** (4 + 2), "neuron": 4 * 64, "bias": 4}
    assert speck.memory(dense) == {"kernel": 4 * 2 ** (6 + 3), "neuron": 5, "bias": 5}


@pytest.mark.parametrize("target, graph, reset, message", [
    ("speck", integrators(700, 300), "subtract", "fits on no core of Speck: it needs 358,400 words of kernel memory"),
    ("speck", lif_chain(), "v_reset", "Speck runs populations of IF"),
    ("xylo", cuba_chain(), "v_reset", "--reset subtract"),
    ("xylo", lif_chain(), "subtract", "Xylo runs populations of CubaLIF"),
    ("akida", lif_chain(), "v_reset", "keeps 0.95 of its potential"),
    ("akida", if_convolutions(), "v_reset", "Akida runs populations of Threshold or LIF"),
])  # fmt: skip
def test_what_a_chip_cannot_hold_is_refused(target: str, graph: nir.NIRGraph, reset: str, message: str) -> None:
    with pytest.raises(DeployError) as error:
        run_on(target, graph, spikes(graph), reset)
    refusals = error.value.refusals if isinstance(error.value, UnsupportedGraph) else []
    assert message in " ".join([str(error.value), *(refusal.reason for refusal in refusals)])


@pytest.mark.parametrize("target, make, populations", [("xylo", cuba_chain, (1, 2)), ("spinnaker2", lif_chain, (0, 1))])
def test_a_drive_that_would_act_before_the_first_spikes_is_refused(
    target: str, make: Callable[[], nir.NIRGraph], populations: tuple[int, ...]
) -> None:
    module, function = HOLDERS[target].split(":")
    hold = getattr(__import__(module, fromlist=[function]), function)
    names = [name for name, node in make().nodes.items() if hasattr(node, "v_leak")]
    for number, name in enumerate(names):
        graph = make()
        graph.nodes[name].v_leak = graph.nodes[name].v_leak + 0.5
        if number not in populations:
            hold(request(graph))
            continue
        with pytest.raises(DeployError, match=f"'{name}' has a bias or a resting potential"):
            hold(request(graph))


def test_a_lab_with_the_sdk_gets_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = lif_chain()
    nir.write(tmp_path / "net.nir", graph)
    x = spikes(graph)["input"]
    np.savez(tmp_path / "spikes.npz", x=x)
    options = [
        "--format",
        "spinnaker2",
        "--input",
        str(tmp_path / "spikes.npz"),
        "--dt",
        "1e-3",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(["export", str(tmp_path / "net.nir"), *options]) == 0
    with np.load(tmp_path / "out" / "network.npz") as held, np.load(tmp_path / "out" / "expected.npz") as expected:
        assert np.array_equal(held["spikes"], x[0]) and int(held["layers"]) == 2
        assert (
            np.abs(held["weight0"]).max() == 15 and expected["spikes1"].shape == (60, 6) and expected["spikes1"].any()
        )
    assert "spinnaker2" in (tmp_path / "out" / "run.py").read_text()
    assert main(["export", str(tmp_path), *options[:2], "-o", str(tmp_path / "other")]) == 2
    assert "takes a standard NIR graph" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "net.nir"), *options]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "net.nir"), *options, "--force"]) == 0
    assert main(["export", str(tmp_path / "net.nir"), *options, "--force", "--plain"]) == 2
    assert "forms of NIR; leave them out" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "net.nir"), *options[2:]]) == 2
    assert "--input goes with a standard graph for a chip" in capsys.readouterr().err


def test_currents_are_no_spikes() -> None:
    graph = integrators(4, 3)
    x = {"input": spikes(graph)["input"] * 0.5}
    with pytest.raises(DeployError, match="--target speck takes spikes: whole numbers"):
        run_on("speck", graph, x, "subtract")
