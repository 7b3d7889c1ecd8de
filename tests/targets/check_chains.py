"""``make targets-check``: standard NIR graphs in simulators of chips, spike for spike against the integers they were given."""

from __future__ import annotations

import nir
import pytest

from processes.errors import DeployError
from targets.nir_run import GraphRun
from tests.targets.nir_chains import cuba_chain, if_convolutions, lif_chain, run_on, spikes, threshold_chain


def agrees(run: GraphRun) -> None:
    """Every spike of every population, of which there are some but not always."""
    assert run.differing == 0
    for fired in run.traces.spikes.values():
        assert 0.01 < fired.mean() < 0.99


@pytest.mark.parametrize("target", ["brian2-loihi", "nengo-loihi"])
def test_loihi_emulators_agree_with_our_fixed_point_run(target: str) -> None:
    graph = lif_chain()
    x = spikes(graph)
    run = run_on(target, graph, x, scale=1000.0)
    agrees(run)
    ours = run_on("closed-form", graph, x, precision="fixed", scale=1000.0)
    assert all((ours.traces.spikes[name] == fired).all() for name, fired in run.traces.spikes.items())


@pytest.mark.parametrize("reset", ["v_reset", "subtract"])
def test_speck(reset: str) -> None:
    graph = if_convolutions()
    agrees(run_on("speck", graph, spikes(graph), reset))


def test_xylo() -> None:
    graph = cuba_chain()
    agrees(run_on("xylo", graph, spikes(graph), "subtract"))


def test_akida() -> None:
    graph = threshold_chain()
    agrees(run_on("akida", graph, spikes(graph)))


def test_nengo_loihi_says_what_overflows() -> None:
    graph = lif_chain()
    with pytest.raises(DeployError, match=r"Overflow in q0: what arrives in a step .* choose a smaller --scale"):
        run_on("nengo-loihi", graph, spikes(graph))


def test_what_each_makes_of_a_graph_is_near_the_graph() -> None:
    """Rounding moves spikes; it does not change what a network does."""
    graphs: list[tuple[str, nir.NIRGraph, str]] = [
        ("nengo-loihi", lif_chain(), "v_reset"),
        ("speck", if_convolutions(), "subtract"),
        ("akida", threshold_chain(), "v_reset"),
    ]
    for target, graph, reset in graphs:
        deviation = run_on(target, graph, spikes(graph), reset, scale=1000.0).deviation["output"]
        assert deviation < 0.25, f"{target}: {deviation}"
