"""Chains of LIF populations as Lava's own Processes, bit-accurate on the CPU, against processes.lif."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from processes import lif
from processes.errors import DeployError
from targets.chains import Request
from targets.chains.loihi import by_lava, hold
from targets.lava_lif import run_lif_network
from targets.nir_graph.fixed import compile_fixed
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import Program, compile_float, interpret
from targets.segments import Layer, step_through
from tests.targets.nir_chains import DT, lif_chain, spikes


def chain() -> tuple[list[Layer], np.ndarray]:
    """Two populations, odd weights of either sign, different exponents, a bias in the second."""
    rng = np.random.default_rng(5)
    first = Layer("a", rng.integers(-60, 101, (12, 8)) << 6, lif.LIF(du=1000, dv=200, vth=300))
    second = Layer("b", rng.integers(-127, 200, (5, 12)) << 7, lif.LIF(du=4095, dv=100, vth=700, bias=640))
    return [first, second], rng.random((60, 8)) < 0.2


def test_lavas_own_processes_agree() -> None:
    layers, spikes = chain()
    ours = step_through(layers, spikes)[-1]
    assert 5 < ours.spikes.sum() < ours.spikes.size
    assert np.array_equal(run_lif_network(layers, spikes), ours.spikes)


def test_the_chip_is_asked_for_only_where_it_is() -> None:
    with pytest.raises(DeployError, match="target loihi2 is not available here: Intel's lava-loihi"):
        run_lif_network(*chain(), on="chip")


def test_a_nir_file_goes_to_lavas_own_processes() -> None:
    """As `deploy run FILE.nir --target loihi2` does on the chip."""
    graph = lif_chain()
    x = spikes(graph, samples=1, steps=30)
    plan = make_plan(graph, DT)

    def fixed() -> Program:
        return compile_fixed(plan, interpret(compile_float(plan, DT), x).peaks, x, DT, scale=1000.0)

    held = hold("Lava", partial(by_lava, "cpu"), Request(plan, fixed, x, DT, "euler", "v_reset"))
    arriving = x["input"][0].astype(np.int64)
    fired = held.theirs(arriving)[-1]
    assert fired is not None and fired.any() and np.array_equal(fired, held.ours(arriving)[-1])
