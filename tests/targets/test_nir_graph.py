"""Standard NIR graphs: the interpreter against NIR's equations, float and integer, on random graphs."""

from __future__ import annotations

from typing import Any

import nir
import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes.nir_nodes.maps import FixedWeighted
from processes.nir_nodes.neurons import FixedNeuron
from targets.nir_graph.fixed import compile_fixed
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import Program, compile_float, interpret
from tests.processes.test_lif import python_step
from tests.targets.nir_reference import DT, Reference, graphs, neuron
from tests.tolerances import ROUNDING

STEPS = 7


def signal(graph: nir.NIRGraph, seed: int, graded: bool, samples: int = 2) -> dict[str, np.ndarray]:
    """Random spikes or numbers for the input."""
    rng = np.random.default_rng(seed)
    shape = (samples, STEPS, *graph.nodes["input"].input_type["input"])
    return {"input": rng.normal(0, 1, shape) if graded else (rng.random(shape) < 0.4).astype(float)}


@settings(max_examples=80)
@given(
    graph=graphs(), seed=st.integers(0, 2**32 - 1), graded=st.booleans(), reset=st.sampled_from(["v_reset", "subtract"])
)
def test_float_graphs_are_their_equations(graph: nir.NIRGraph, seed: int, graded: bool, reset: Any) -> None:
    inputs = signal(graph, seed, graded)
    program = compile_float(make_plan(graph, DT), DT, "euler", reset)
    traces = interpret(program, inputs)
    for sample in range(2):
        reference = Reference(graph, {"input": inputs["input"][sample]}, "euler", reset)
        for name in program.outputs:
            for t in range(STEPS):
                expected = np.broadcast_to(reference.value(name, t), traces.outputs[name].shape[2:])
                np.testing.assert_allclose(traces.outputs[name][sample, t], expected, ROUNDING * 1e3, ROUNDING * 1e3)


@settings(max_examples=15)
@given(graph=graphs(size=3), seed=st.integers(0, 2**32 - 1))
def test_exact_integration(graph: nir.NIRGraph, seed: int) -> None:
    inputs = signal(graph, seed, graded=True, samples=1)
    program = compile_float(make_plan(graph, DT, "exact"), DT, "exact")
    traces = interpret(program, inputs, potentials=True)
    reference = Reference(graph, {"input": inputs["input"][0]}, "exact", "v_reset")
    for name in program.outputs:
        for t in range(3):
            expected = np.broadcast_to(reference.value(name, t), traces.outputs[name].shape[2:])
            np.testing.assert_allclose(traces.outputs[name][0, t], expected, rtol=1e-5, atol=1e-6)


class IntegerReference:
    """A fixed-point program's integers, neuron by neuron in Python's own numbers."""

    def __init__(self, program: Program) -> None:
        self.program, self.states = program, dict[str, Any]()

    def neuron(self, name: str, node: FixedNeuron, x: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
        p, out = node.neuron, np.zeros(shape, np.int64)
        u, v = self.states.setdefault(name, (np.zeros(shape, np.int64), np.zeros(shape, np.int64)))
        du, dv, vth, bias, rest = (np.broadcast_to(a, shape) for a in (p.du, p.dv, p.vth, p.bias, p.v_reset))
        for k in np.ndindex(shape):
            a = 0 if x is None else int(x[k])
            u0, v0 = int(u[k]), int(v[k])
            quotient, part = divmod(a, 64)
            # the hand-written step takes inputs in units of 64; the rest of a joins u the same way
            u[k], v[k], fired, _ = python_step(u0, v0, quotient, int(du[k]), int(dv[k]), 2**17 - 1, int(bias[k]) + part)
            u[k] += part
            fired = node.fires and v[k] > int(vth[k]) << 6
            out[k] = int(fired) if node.fires else v[k]
            if fired:
                v[k] = v[k] - (int(vth[k]) << 6) + int(rest[k]) if p.subtract else int(rest[k])
        return out


def weighted(node: FixedWeighted, item: Any, x: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Products one by one for Affine, Linear and Scale; what PyTorch makes of the mantissas for convolutions."""
    bias = 0 if node.bias is None else node.bias
    if x is None:
        return None if node.bias is None else np.broadcast_to(bias, shape)
    if node.mantissa is None:
        return node.step(x[None])[0]
    if isinstance(item, nir.Conv1d | nir.Conv2d):
        clean = type(item)(**{k: getattr(item, k) for k in ("input_shape", "stride", "padding", "dilation", "groups")},
                           weight=node.mantissa.astype(float), bias=np.zeros(len(node.mantissa)))  # fmt: skip
        graph = nir.NIRGraph({"input": nir.Input(np.array(x.shape)), "c": clean}, [("input", "c")], type_check=False)
        total = np.rint(Reference(graph, {"input": x[None].astype(float)}, "", "").value("c", 0)).astype(np.int64)
    elif node.mantissa.ndim == 2 and isinstance(item, nir.Affine | nir.Linear):
        total = (x[..., None, :].astype(object) * node.mantissa).sum(-1).astype(np.int64)
    else:
        total = x * node.mantissa
    shifted = np.array([int(abs(n) / 2**node.right) * (1 if n > 0 else -1) for n in total.ravel().tolist()])
    return np.clip(shifted.reshape(shape) + bias, -(2**23) + 1, 2**23 - 1)


@settings(max_examples=80)
@given(
    graph=graphs(), seed=st.integers(0, 2**32 - 1), graded=st.booleans(), reset=st.sampled_from(["v_reset", "subtract"])
)
def test_integer_graphs_are_their_equations(graph: nir.NIRGraph, seed: int, graded: bool, reset: Any) -> None:
    inputs = signal(graph, seed, graded, samples=1)
    plan = make_plan(graph, DT)
    peaks = interpret(compile_float(plan, DT, "euler", reset), inputs).peaks
    program = compile_fixed(plan, peaks, inputs, DT, "euler", reset)
    traces = interpret(program, inputs)
    reference = IntegerReference(program)
    before: dict[str, Any] = {}
    delays = {name: [] for name, item in plan.items.items() if isinstance(item.node, nir.Delay)}
    for t in range(STEPS):
        now: dict[str, Any] = {"input": np.rint(inputs["input"][0, t] / program.stages["input"].unit).astype(np.int64)}
        for name, stage in program.stages.items():
            arriving = [(before if e.carried else now).get(e.source) for e in stage.sources]
            arriving = [x for x in arriving if x is not None]
            x = sum(arriving[1:], arriving[0]) if arriving else None
            if isinstance(stage.node, FixedNeuron):
                now[name] = reference.neuron(name, stage.node, x, stage.shape)
            elif isinstance(stage.node, FixedWeighted):
                now[name] = weighted(stage.node, plan.items[name].node if name in plan.items else None, x, stage.shape)
            elif name in delays:
                delays[name].append(np.zeros(stage.shape, np.int64) if x is None else x)
                steps = np.rint(plan.items[name].node.delay / DT).astype(int)
                now[name] = sum(
                    (np.where(steps == d, delays[name][t - d], 0) for d in np.unique(steps) if d <= t),
                    np.zeros(stage.shape, np.int64),
                )
            elif stage.sources:
                y = stage.node.step(None if x is None else x[None])
                now[name] = None if y is None else y[0]
        before = now
        for name in program.outputs:
            expected = np.zeros(program.stages[name].shape) if now[name] is None else now[name]
            got = traces.outputs[name][0, t] / program.stages[name].unit
            np.testing.assert_array_equal(got, expected)


def test_nested_graphs_are_their_content() -> None:
    """A skip around a graph that holds a recurrent neuron: the same signals as written flat."""
    rng = np.random.default_rng(0)
    cell = neuron(nir.CubaLIF, (4,), rng, uniform=False)
    back, weight = nir.Scale(rng.uniform(-1, 0.5, 4)), nir.Linear(rng.normal(0, 1, (4, 4)))
    ends = {"input": nir.Input(np.array([4])), "output": nir.Output(np.array([4]))}
    loop = [("cell", "back"), ("back", "cell")]
    inner = nir.NIRGraph(
        ends | {"cell": cell, "back": back}, [("input", "cell"), ("cell", "output"), *loop], type_check=False
    )
    around = [("input", "w"), ("input", "output")]
    nested = nir.NIRGraph(ends | {"w": weight, "g": inner}, [*around, ("w", "g"), ("g", "output")], type_check=False)
    flat = nir.NIRGraph(
        ends | {"w": weight, "cell": cell, "back": back},
        [*around, ("w", "cell"), ("cell", "output"), *loop],
        type_check=False,
    )
    inputs = {"input": rng.normal(0, 1, (2, STEPS, 4))}
    traces = [interpret(compile_float(make_plan(graph, DT), DT), inputs).outputs["output"] for graph in (nested, flat)]
    np.testing.assert_array_equal(*traces)
    assert not np.array_equal(traces[0], inputs["input"])


def test_same_padding() -> None:
    rng = np.random.default_rng(0)
    weight, x = rng.normal(0, 1, (2, 3, 4, 3)), rng.normal(0, 1, (1, 1, 3, 6, 7))
    node = nir.Conv2d((6, 7), weight, 1, "same", (2, 1), 1, rng.normal(0, 1, 2))
    graph = nir.NIRGraph({"input": nir.Input(np.array([3, 6, 7])), "c": node, "output": nir.Output(None)},
                         [("input", "c"), ("c", "output")], type_check=False)  # fmt: skip
    got = interpret(compile_float(make_plan(graph, DT), DT), {"input": x}).outputs["output"][0]
    tensors = [torch.from_numpy(a) for a in (x[0], weight, node.bias)]
    wanted = torch.nn.functional.conv2d(*tensors, padding="same", dilation=(2, 1))
    np.testing.assert_allclose(got, wanted.numpy(), ROUNDING * 1e3, ROUNDING * 1e3)
