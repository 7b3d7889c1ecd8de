"""Converts a captured network to a standard NIR graph, where it has that form.

Layers become Affine, Conv1d and Conv2d, sums over windows SumPool2d, and neurons IF, LIF and CubaLIF by Euler's method,
with the dt that snnTorch (1e-4) or Norse (1e-3) assumes::

    v <- k v + g x + c                      LIF: tau = dt / (1 - k), r = g / (1 - k), v_leak = c / (1 - k);  IF for k = 1
    v <- k v + g j + c,  j <- e j + h x     CubaLIF: tau_mem, r and v_leak likewise, tau_syn = dt / (1 - e), w_in = h / (1 - e)

* A reset that subtracts theta in the next step, after the decay, is one that subtracts theta / k in the spike's step.
* A neuron that also fires at v = theta gets the next smaller threshold in float64, which float32 may round away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nir
import numpy as np

from processes.errors import Refusal, UnsupportedGraph
from processes.spiking import Affine, Graph, Layout, Neuron, Node, Source, Sum, SumPool, Weighted
from processes.spiking.neuron import Rule

DT = 1e-4
"""Time step of snnTorch, and the default of `deploy run`."""


class NoForm(Exception):
    """Raised with the reason why a node has no standard form."""


@dataclass(frozen=True)
class Leak:
    """Parameters of an IF, LIF or CubaLIF, by the names of the module's equations.

    Attributes:
        k, g, c: v <- k v + g x + c, or with the current j instead of x.
        theta: threshold; a spike is fired at v > theta.
        v_reset: as NIR defines it.
        subtracts: whether resets subtract theta - v_reset.
        e, h: j <- e j + h x of a CubaLIF; None for the others.
    """

    k: np.ndarray
    g: np.ndarray
    c: np.ndarray
    theta: np.ndarray
    v_reset: np.ndarray
    subtracts: bool | None
    e: np.ndarray | None = None
    h: np.ndarray | None = None


def write_standard(graph: Graph, file: Path, dt: float = DT) -> None:
    """Write a captured network as a standard NIR file, for a time step ``dt`` in seconds.

    Raises:
        UnsupportedGraph: with every node that has no standard form.
    """
    nir.write(str(file), standard(graph, dt))


def standard(graph: Graph, dt: float = DT) -> nir.NIRGraph:
    """Convert a captured network to a standard NIR graph; its metadata hold dt, method and reset.

    Raises:
        UnsupportedGraph: with every node that has no standard form.
    """
    nodes: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    refusals: list[Refusal] = []
    resets: set[bool] = set()
    unknown: set[str] = set()  # nodes behind a refused one, whose own refusals may only follow from it
    for name, node in graph.nodes.items():
        reads = [shapes.get(wire.source, node.shape[1:]) for wire in node.wires] or [graph.frame]
        behind = any(wire.source in unknown for wire in node.wires)
        unknown |= {name} if behind else set()
        try:
            shapes[name] = _shape(node, reads[0])
            nodes[_safe(name)] = _standard(node, shapes[name], reads[0], resets, dt)
        except NoForm as error:
            unknown.add(name)
            if not behind or not isinstance(node.op, Layout | Weighted):
                refusals.append(Refusal(name, type(node.op).__name__, str(error)))
    if len(resets) > 1:
        refusals.append(Refusal("graph", "NIRGraph", "some neurons reset to a value and some by subtraction"))
    if refusals:
        raise UnsupportedGraph(refusals)
    if len({_safe(name) for name in graph.nodes}) < len(graph.nodes):
        raise UnsupportedGraph([Refusal("graph", "NIRGraph", "two modules have names that differ in dots alone")])
    edges = [(_safe(wire.source), _safe(name)) for name, node in graph.nodes.items() for wire in node.wires]
    nodes["output"] = nir.Output({"output": np.array(shapes[graph.output])})
    edges.append((_safe(graph.output), "output"))
    metadata = {"dt": dt, "method": "euler", "reset": "subtract" if True in resets else "v_reset"}
    return nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)  # type: ignore[arg-type]


def _safe(name: str) -> str:
    """A module's name as NIR permits names."""
    return name.replace(".", "_").replace("#", "_")


def _shape(node: Node, reads: tuple[int, ...]) -> tuple[int, ...]:
    """A node's shape without the leading axes of time and batch."""
    if isinstance(node.op, Layout):
        size = int(np.prod(node.shape))
        return reads if node.shape[-len(reads) :] == reads else (size,) if node.shape[-1] == size else node.shape
    if isinstance(node.op, Weighted) and node.op.stride:
        return node.shape[-1 - len(node.op.stride) :]
    if isinstance(node.op, Weighted):
        return (*reads[:-1], node.shape[-1])
    if isinstance(node.op, SumPool):
        return node.shape[-3:]
    return reads


def _standard(node: Node, shape: tuple[int, ...], reads: tuple[int, ...], resets: set[bool], dt: float) -> Any:
    """The NIR node of a captured node; notes in ``resets`` whether it subtracts. Raises NoForm."""
    op = node.op
    if isinstance(op, Source):
        return nir.Input({"input": np.array(shape)})
    if isinstance(op, Sum):
        return nir.Scale(np.ones(shape))
    if isinstance(op, Layout):
        if not (op.index.ravel() == np.arange(op.index.size)).all() or len(node.wires) != 1:
            raise NoForm("moves values in a way that Flatten does not")
        if shape == reads:
            return nir.Scale(np.ones(shape))
        if shape != (int(np.prod(reads)),):
            raise NoForm(f"reshapes {reads} to {shape}, and NIR has Flatten only")
        return nir.Flatten({"input": np.array(reads)}, 0, -1)
    if isinstance(op, Weighted):
        bias = np.zeros(len(op.weight)) if op.bias is None else op.bias
        if not op.stride:
            return nir.Affine(op.weight, bias)
        if len(reads) != 1 + len(op.stride):
            raise NoForm(f"a convolution of a signal of shape {reads}")
        if len(op.stride) == 1:
            return nir.Conv1d(reads[-1], op.weight, op.stride[0], op.padding[0], op.dilation[0], op.groups, bias)
        return nir.Conv2d(reads[-2:], op.weight, op.stride, op.padding, op.dilation, op.groups, bias)  # type: ignore[arg-type]
    if isinstance(op, SumPool):
        return nir.SumPool2d(np.array(op.kernel), np.array(op.stride), np.array(op.padding))
    if isinstance(op, Affine) and not op.shift.any():
        return nir.Scale(np.broadcast_to(op.scale, node.shape).reshape(shape).copy())
    if isinstance(op, Neuron):
        if op.emits is not None:
            raise NoForm("sends its state beside spikes, which a node of NIR does not")
        leak = leak_of(op.rule)
        resets |= set() if leak.subtracts is None else {leak.subtracts}
        return neuron_node(leak, shape, dt)
    raise NoForm(f"NIR has no {type(op).__name__}")


def leak_of(rule: Rule) -> Leak:
    """Parameters of the IF, LIF or CubaLIF that fires the same spikes as a neuron of this rule; raises NoForm."""
    if any(map(np.any, rule.initial)):
        raise NoForm("starts with another potential than 0")
    if not np.isfinite(rule.threshold).all():
        raise NoForm("never fires; NIR's LI would put out its potential")
    update = rule.update
    e = h = None
    if rule.states == 1:
        (k,), (g,), (c,) = update.keep[0], update.gain, update.bias
    elif (
        rule.states == 2
        and not np.any(update.keep[1][0])
        and np.allclose(update.keep[0][1] * update.gain[1], update.gain[0] * update.keep[1][1], rtol=1e-12)
        and not np.any(update.bias[1])
    ):
        (k, _), (_, e) = update.keep
        h, c = update.gain[1], update.bias[0]
        g = update.gain[0] / h
    else:
        raise NoForm("its states are no current and no potential")
    if np.any(k > 1) or np.any(k < 0) or (e is not None and np.any((e >= 1) | (e < 0))):
        raise NoForm("a decay outside 0 to 1")
    if (np.any(k == 1) and not np.all(k == 1)) or (np.all(k == 1) and (e is not None or np.any(c))):
        raise NoForm("a potential that does not decay, with a current or a leak")
    theta = np.nextafter(rule.threshold, -np.inf) if rule.inclusive else rule.threshold
    return Leak(k, g, c, theta, *_reset(rule, k, theta), e, h)


def _reset(rule: Rule, k: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, bool | None]:
    """(v_reset, whether resets subtract threshold - v_reset) of NIR's neuron; raises NoForm."""
    if rule.after is None:
        if rule.reset == "none":
            raise NoForm("does not reset, and NIR's neurons do")
        return (theta - rule.threshold, True) if rule.reset == "subtract" else (rule.v_reset, False)
    taken = rule.update.bias[0] - rule.after.bias[0]
    same = all(np.array_equal(a, b) for a, b in zip(rule.update.gain, rule.after.gain, strict=True))
    rows = [
        np.array_equal(a, b)
        for x, y in zip(rule.update.keep, rule.after.keep, strict=True)
        for a, b in zip(x, y, strict=True)
    ]
    others = all(np.array_equal(a, b) for a, b in zip(rule.update.bias[1:], rule.after.bias[1:], strict=True))
    if rule.reset == "none" and same and others and all(rows) and np.all(k > 0):
        return theta - taken / k, True
    if (
        rule.reset == "none"
        and same
        and others
        and not np.any(taken)
        and all(rows[1:])
        and not np.any(rule.after.keep[0][0])
    ):
        return np.zeros(()), False
    raise NoForm("a delayed reset that is none of NIR's")


def neuron_node(leak: Leak, shape: tuple[int, ...], dt: float) -> Any:
    """The NIR neurons with these parameters, written for each neuron of ``shape``, at time step ``dt``."""

    def full(value: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float64), shape).copy()

    rest: dict[str, Any] = {"v_threshold": full(leak.theta), "v_reset": full(leak.v_reset)}
    if np.all(leak.k == 1):
        return nir.IF(r=full(leak.g / dt), **rest)
    lost = 1 - leak.k
    rest |= {"r": full(leak.g / lost), "v_leak": full(leak.c / lost)}
    if leak.e is None or leak.h is None:
        return nir.LIF(tau=full(dt / lost), **rest)
    kept = 1 - leak.e
    return nir.CubaLIF(tau_mem=full(dt / lost), tau_syn=full(dt / kept), w_in=full(leak.h / kept), **rest)
