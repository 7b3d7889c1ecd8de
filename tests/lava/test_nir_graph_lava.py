"""Standard NIR graphs in Lava: what the interpreter computes, and the NIR paper's traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytest.importorskip("lava.magma")

import processes.lava  # noqa: F401
from evaluator.nir_reader import read_graph
from targets.nir_graph.fixed import compile_fixed
from targets.nir_graph.lava import partition, run_in_lava
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import Traces, compile_float, interpret
from tests.targets.nir_reference import DT, graphs
from tests.tolerances import FLOAT32_TRACE, ROUNDING

GOLDEN = Path(__file__).parents[1] / "golden" / "nir-paper"
PAPER_DT = 1e-4


def merged(parts: list[nir.NIRGraph]) -> nir.NIRGraph:
    """Several graphs with flat inputs behind one input, so that one run of Lava does for all."""
    nodes: dict[str, Any] = {"input": nir.Input(np.array([5]))}
    edges: list[tuple[str, str]] = []
    for i, part in enumerate(parts):
        named = {name: f"{i}.{name}" for name in part.nodes} | {"input": "input"}
        nodes |= {named[name]: node for name, node in part.nodes.items() if name != "input"}
        edges += [(named[a], named[b]) for a, b in part.edges]
    return nir.NIRGraph(nodes, edges, type_check=False)


def same(a: Traces, b: Traces, exact: bool) -> None:
    for kind in ("outputs", "spikes", "potentials", "overflows", "peaks"):
        first, second = getattr(a, kind), getattr(b, kind)
        assert first.keys() == second.keys(), kind
        for name in first:
            # integers and spikes to the last bit; BLAS adds up a batch in another order than one sample
            margin = 0 if exact or kind in ("spikes", "overflows") else ROUNDING * 1e3
            np.testing.assert_allclose(first[name], second[name], margin, margin, err_msg=f"{kind} of {name}")


def examples(count: int, axes: int) -> list[nir.NIRGraph]:
    """Random graphs whose input has that many axes, the same ones every time."""
    found: list[nir.NIRGraph] = []

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(graph=graphs(size=6).filter(lambda g: len(g.nodes["input"].input_type["input"]) == axes))
    def collect(graph: nir.NIRGraph) -> None:
        found.append(graph)

    collect()
    return found


@pytest.mark.parametrize(
    ("fixed", "granularity", "axes", "count"),
    [(False, "block", 1, 6), (True, "operation", 1, 3), (True, "block", 3, 1), (False, "operation", 3, 1)],
)
def test_random_graphs(fixed: bool, granularity: str, axes: int, count: int) -> None:
    """Everything that the interpreter records; the largest of many random graphs."""
    parts = sorted(examples(12 * count, axes), key=lambda g: ("back" in g.nodes, len(g.nodes)))[-count:]
    graph = merged(parts) if axes == 1 else parts[0]
    rng = np.random.default_rng(len(graph.nodes))
    inputs = {"input": rng.normal(0, 1, (2, 6, *graph.nodes["input"].input_type["input"]))}
    plan = make_plan(graph, DT)
    program = compile_float(plan, DT)
    expected = interpret(program, inputs, potentials=True)
    if fixed:
        program = compile_fixed(plan, expected.peaks, inputs, DT)
        expected = interpret(program, inputs, potentials=True)
    assert any(edge.carried for item in plan.items.values() for edge in item.sources)
    assert len(partition(program, granularity)) > 2
    same(run_in_lava(program, inputs, granularity, potentials=True), expected, fixed)


def paper(precision: str) -> tuple[Any, dict[str, np.ndarray], np.ndarray]:
    """The paper's network, its input and the reference (steps, 3): input, v after reset, spike."""
    reference = np.loadtxt(
        GOLDEN / ("lif_norse.csv" if precision == "float" else "lif_lava_cpu_fixed.csv"), delimiter=","
    )
    plan = make_plan(read_graph(GOLDEN / "lif_norse.nir"), PAPER_DT)
    inputs = {"input": reference[:, 0].reshape(1, -1, 1)}
    program = compile_float(plan, PAPER_DT)
    if precision == "fixed":
        # the paper's integers: weight 0.04 and threshold 0.1 are 10 and 25
        program = compile_fixed(plan, interpret(program, inputs).peaks, inputs, PAPER_DT, scale=250)
    return program, inputs, reference


def test_golden_trace_fixed() -> None:
    """All rows, spikes and potentials. The paper's run goes through Lava's Dense, a step later than NIR's equations."""
    program, inputs, reference = paper("fixed")
    traces = run_in_lava(program, inputs, potentials=True)
    np.testing.assert_array_equal(traces.potentials["1"][0, :-1, 0], reference[1:, 1])
    np.testing.assert_array_equal(traces.spikes["1"][0, :-1, 0], reference[1:, 2])
    assert not reference[0, 1:].any() and not traces.overflows and traces.spikes["1"].sum() == 4


def test_golden_trace_float() -> None:
    program, inputs, reference = paper("float")
    traces = run_in_lava(program, inputs, potentials=True)
    assert np.abs(traces.potentials["1"][0, :, 0] - reference[:, 1]).max() < FLOAT32_TRACE
    np.testing.assert_array_equal(traces.outputs["output"][0, :, 0], reference[:, 2])
