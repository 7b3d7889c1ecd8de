"""NIR's equations written out once more, one neuron and one step at a time, and random graphs to try them on.

Nothing here is shared with what it checks: a signal is a recursive definition over time, convolutions are PyTorch's,
and which edges of a cycle wait a step is found by walking the graph.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import nir
import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

NEURONS = (nir.I, nir.IF, nir.LI, nir.LIF, nir.CubaLI, nir.CubaLIF)
DT = 1e-3


class Reference:
    """Float signals of a flat graph: ``value(name, t)`` for one sample."""

    def __init__(self, graph: nir.NIRGraph, inputs: dict[str, np.ndarray], method: str, reset: str) -> None:
        self.nodes, self.inputs, self.method, self.reset = graph.nodes, inputs, method, reset
        self.edges: dict[str, list[tuple[str, bool]]] = {name: [] for name in graph.nodes}
        for source, target in graph.edges:
            self.edges[target].append((source, self.waits(graph, source, target)))
        self.value = functools.cache(self._value)
        self.state = functools.cache(self._state)

    @staticmethod
    def waits(graph: nir.NIRGraph, source: str, target: str) -> bool:
        """An edge from a neuron waits if it can get back to it without a Delay on the way."""
        long = {n for n, v in graph.nodes.items() if isinstance(v, nir.Delay) and np.rint(v.delay / DT).min() >= 1}
        if not isinstance(graph.nodes[source], NEURONS) or target in long:
            return False
        seen, todo = set(), [target]
        while todo:
            here = todo.pop()
            if here == source:
                return True
            if here not in seen:
                seen.add(here)
                todo += [b for a, b in graph.edges if a == here and b not in long]
        return False

    def read(self, name: str, t: int) -> np.ndarray | float:
        """Sum of what arrives at step t."""
        return sum((self.value(source, t - waits) for source, waits in self.edges[name]), 0.0)

    def _value(self, name: str, t: int) -> Any:
        node: Any = self.nodes[name]
        if t < 0:
            return 0.0
        match node:
            case nir.Input():
                return self.inputs[name][t]
            case nir.Delay():
                steps = np.rint(node.delay / DT).astype(int)
                past = {int(d): self.read(name, t - int(d)) for d in np.unique(steps)}
                return sum((np.where(steps == d, x, 0.0) for d, x in past.items()), 0.0)
            case nir.IF() | nir.LIF() | nir.CubaLIF():
                return (self.state(name, t)[0] > node.v_threshold).astype(float)
            case nir.I() | nir.LI() | nir.CubaLI():
                return self.state(name, t)[0]
        x: Any = self.read(name, t)
        if isinstance(node, nir.Affine | nir.Linear):
            y = np.stack([(node.weight * row).sum(-1) for row in np.reshape(x, (-1, node.weight.shape[1]))])
            return (y + getattr(node, "bias", 0)).reshape(*np.shape(x)[:-1], -1)
        if isinstance(node, nir.Conv1d | nir.Conv2d):
            conv = F.conv1d if isinstance(node, nir.Conv1d) else F.conv2d
            tensors = [torch.from_numpy(np.asarray(a, float))[None] for a in (x, node.weight, node.bias)]
            geometry = {k: getattr(node, k) for k in ("stride", "padding", "dilation", "groups")}
            return conv(tensors[0], tensors[1][0], tensors[2][0], **geometry)[0].numpy()
        if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
            kernel, stride, padding = (tuple(map(int, getattr(node, k))) for k in ("kernel_size", "stride", "padding"))
            y = F.avg_pool2d(torch.from_numpy(np.asarray(x))[None], kernel, stride, padding)[0].numpy()
            return y * math.prod(kernel) if isinstance(node, nir.SumPool2d) else y
        match node:
            case nir.Scale():
                return x * node.scale
            case nir.Threshold():
                return np.where(x > node.threshold, 1.0, 0.0)
            case nir.Flatten():
                return np.reshape(x, -1)
            case _:
                return x

    def _state(self, name: str, t: int) -> tuple[np.ndarray, np.ndarray]:
        """(v before any reset, i) after step t."""
        node: Any = self.nodes[name]
        shape = tuple(node.output_type["output"])
        if t < 0:
            return np.zeros(shape), np.zeros(shape)
        v, i = (np.array(a) for a in self.state(name, t - 1))
        x = np.broadcast_to(self.read(name, t), shape)
        if hasattr(node, "v_threshold"):
            subtracted = v - node.v_threshold + node.v_reset if self.reset == "subtract" else node.v_reset
            v = np.where(v > node.v_threshold, subtracted, v)
        for index in np.ndindex(shape):
            p = {key: float(np.asarray(value)[index]) for key, value in vars(node).items()
                 if isinstance(value, np.ndarray)}  # fmt: skip
            v[index], i[index] = self.advance(p, v[index], i[index], float(x[index]))
        return v, i

    def advance(self, p: dict[str, float], v: float, i: float, x: float) -> tuple[float, float]:
        """One neuron, one step."""
        if "v_leak" not in p:
            return v + DT * p["r"] * x, 0.0
        tau, leak, r = p.get("tau", p.get("tau_mem", 0.0)), p["v_leak"], p["r"]
        if self.method == "euler":
            drive = x
            if "tau_syn" in p:
                i = i + DT / p["tau_syn"] * (p["w_in"] * x - i)
                drive = i
            return v + DT / tau * (leak - v + r * drive), i
        if "tau_syn" not in p:
            rest = leak + r * x
            return rest + (v - rest) * math.exp(-DT / tau), 0.0
        # many small steps of the two equations, by the midpoint rule
        n = 300
        h, syn, w = DT / n, p["tau_syn"], p["w_in"]
        for _ in range(n):
            i_mid = i + h / 2 * (w * x - i) / syn
            v_mid = v + h / 2 * (leak - v + r * i) / tau
            i, v = i + h * (w * x - i_mid) / syn, v + h * (leak - v_mid + r * i_mid) / tau
        return v, i


def neuron(kind: type, shape: tuple[int, ...], rng: np.random.Generator, uniform: bool) -> Any:
    """A random population; its parameters differ from neuron to neuron unless ``uniform``."""

    def some(low: float, high: float) -> np.ndarray:
        return np.full(shape, rng.uniform(low, high)) if uniform else rng.uniform(low, high, shape)

    leaky = {"r": some(1, 4), "v_leak": some(-0.2, 0.2)}
    fires = {"v_threshold": some(0.05, 0.6), "v_reset": some(-0.1, 0.04)}
    match kind.__name__:
        case "I":
            return nir.I(some(50, 400))
        case "IF":
            return nir.IF(some(50, 400), **fires)
        case "LI":
            return nir.LI(tau=some(0.002, 0.02), **leaky)
        case "LIF":
            return nir.LIF(tau=some(0.002, 0.02), **leaky, **fires)
        case "CubaLI":
            return nir.CubaLI(tau_syn=some(0.002, 0.01), tau_mem=some(0.002, 0.02), w_in=some(1, 3), **leaky)
        case _:
            return nir.CubaLIF(tau_syn=some(0.002, 0.01), tau_mem=some(0.002, 0.02), w_in=some(1, 3), **leaky, **fires)


@st.composite
def graphs(draw: st.DrawFn, size: int = 8, cuba: bool = True) -> nir.NIRGraph:
    """A flat graph with branches, sums, skips and cycles, from a flat or an image input."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(5,), (2, 5), (2, 5, 4)]))
    nodes: dict[str, Any] = {"input": nir.Input(np.array(shape))}
    shapes: dict[str, tuple[int, ...]] = {"input": shape}
    edges: list[tuple[str, str]] = []
    kinds = [k for k in NEURONS if cuba or k not in (nir.CubaLI, nir.CubaLIF)]
    for n in range(draw(st.integers(2, size))):
        source = draw(st.sampled_from(list(nodes)))
        reads, name = shapes[source], f"{n:02d}"
        choices = ["neuron", "neuron", "scale", "affine", "linear", "delay", "threshold"]
        choices += {2: ["conv1d", "flatten"], 3: ["conv2d", "flatten"]}.get(len(reads), [])
        choices += ["sumpool", "avgpool"] if len(reads) == 3 and min(reads[1:]) > 1 else []
        node = _node(draw(st.sampled_from(choices)), reads, rng, draw(st.sampled_from(kinds)), draw(st.booleans()))
        nodes[name] = node
        shapes[name] = _shape(node, reads)
        edges.append((source, name))
        same = [other for other in nodes if shapes[other] == reads and other not in (source, name)]
        if same and draw(st.booleans()):
            edges.append((draw(st.sampled_from(same)), name))
    _close_cycle(draw, rng, nodes, shapes, edges)
    leaves = [name for name in nodes if name not in {a for a, b in edges if b != "back"}]
    for name in leaves:
        nodes[f"out{name}"] = nir.Output(np.array(shapes[name]))
        edges.append((name, f"out{name}"))
    return nir.NIRGraph(nodes, edges, type_check=False)


def _close_cycle(
    draw: st.DrawFn, rng: np.random.Generator, nodes: dict[str, Any], shapes: dict[str, tuple[int, ...]],
    edges: list[tuple[str, str]],
) -> None:  # fmt: skip
    """Lead a neuron's output back to a neuron, itself or an earlier one, through weights or a Delay."""
    neurons = [name for name, node in nodes.items() if isinstance(node, NEURONS)]
    if not neurons or not draw(st.booleans()):
        return
    late = draw(st.sampled_from(neurons))
    early = [name for name in neurons if name <= late and shapes[name] == shapes[late]]
    target = draw(st.sampled_from(early))
    if draw(st.booleans()):
        nodes["back"] = nir.Delay(DT * rng.integers(1, 4, shapes[late]).astype(float))
    else:
        nodes["back"] = nir.Scale(rng.uniform(-1, 0.5, shapes[late]))
    shapes["back"] = shapes[late]
    edges += [(late, "back"), ("back", target)]


def _shape(node: Any, reads: tuple[int, ...]) -> tuple[int, ...]:
    match node:
        case nir.Affine() | nir.Linear():
            return (*reads[:-1], node.weight.shape[0])
        case nir.Flatten():
            return (math.prod(reads),)
        case nir.SumPool2d() | nir.AvgPool2d():
            return (reads[0], *F.avg_pool2d(torch.zeros(reads), tuple(node.kernel_size), tuple(node.stride),
                                            tuple(node.padding)).shape[1:])  # fmt: skip
        case nir.Conv1d() | nir.Conv2d():
            return tuple(int(n) for n in node.output_type["output"]) if node.input_shape else ()
        case _:
            return reads


def _node(kind: str, reads: tuple[int, ...], rng: np.random.Generator, cell: type, uniform: bool) -> Any:
    channels = reads[0]
    groups = 2 if channels % 2 == 0 and not uniform else 1
    match kind:
        case "neuron":
            return neuron(cell, reads, rng, uniform)
        case "scale":
            return nir.Scale(rng.normal(0, 1, reads))
        case "affine":
            out = int(rng.integers(2, 6))
            return nir.Affine(rng.normal(0, 1, (out, reads[-1])), rng.normal(0, 0.2, out))
        case "linear":
            return nir.Linear(rng.normal(0, 1, (int(rng.integers(2, 6)), reads[-1])))
        case "delay":
            return nir.Delay(DT * rng.integers(0, 4, reads).astype(float))
        case "threshold":
            return nir.Threshold(rng.normal(0, 0.5, reads))
        case "flatten":
            return nir.Flatten({"input": np.array(reads)}, 0, -1)
        case "sumpool" | "avgpool":
            make = nir.SumPool2d if kind == "sumpool" else nir.AvgPool2d
            return make(np.array([2, 2]), np.array([1, 2]), np.array([1, 0]))
        case "conv1d":
            weight = rng.normal(0, 1, (4, channels // groups, 2))
            return _sized(nir.Conv1d(reads[1], weight, 1, 1, 2, groups, rng.normal(0, 0.2, 4)), reads)
        case _:
            weight = rng.normal(0, 0.7, (4, channels // groups, 2, 3))
            return _sized(nir.Conv2d(reads[1:], weight, (2, 1), (1, 1), (1, 1), groups, rng.normal(0, 0.2, 4)), reads)


def _sized(node: Any, reads: tuple[int, ...]) -> Any:
    """With the output shape by PyTorch (NIR's own formula takes one kernel length for both axes)."""
    conv = F.conv1d if isinstance(node, nir.Conv1d) else F.conv2d
    geometry = {k: getattr(node, k) for k in ("stride", "padding", "dilation", "groups")}
    y = conv(torch.zeros(1, *reads).double(), torch.from_numpy(node.weight), **geometry)
    node.output_type = {"output": np.array(y.shape[1:])}
    return node
