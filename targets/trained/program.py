"""Compiles a captured network to a program of stepping nodes, in floating point or in Loihi-style integers.

In integers every signal has a unit, the real value of the integer 1:

* Spikes and products of spikes are counts. A constant factor changes their unit and no number.
* A layer with weights has 8-bit mantissas, each rounded to nearest or as the caller says, and one exponent per output;
  its unit is the finest power of two in which 24 bits hold twice what the layer's output, and all signals that it is
  added to, reached in floating point. Biases have 24 bits.
* Potentials have the unit of the neuron's input times its gain, shifted left by as many bits as 24 leave room for, so
  that no input is rounded. Decays have 12 bits, products with them are cut toward zero, thresholds are multiples of 64.
* Operands of a sum are shifted left to the finest unit among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from processes.errors import DeployError, Refusal
from processes.fixed import mantissa_limit, row_exponents, to_mantissa
from processes.nir_nodes import maps
from processes.spiking import (
    Affine,
    Graph,
    Layout,
    Levels,
    MaxPool,
    Neuron,
    Node,
    Product,
    Reduce,
    Source,
    Sum,
    SumPool,
    Weighted,
)
from processes.spiking.neuron import FixedNeuron, FloatNeuron, Integers, Update
from processes.spiking.steppers import Added, Counted, FixedScaled, Moved, Multiplied, Pooled, Scaled, weighted_map
from targets.nir_graph.cycles import Edge
from targets.nir_graph.program import Program, Stage
from targets.nir_graph.units import (
    ALIGN,
    CHIP,
    DECAY,
    HEADROOM,
    Rounding,
    decay_of,
    finest_unit,
    input_unit,
    note,
)


def compile_float(graph: Graph) -> Program:
    """Compile a captured network to a program in float64, with outputs in real units."""
    binary = graph.binary()
    stages: dict[str, Stage] = {}
    for name, node in graph.nodes.items():
        shapes = tuple(graph.nodes[wire.source].shape for wire in node.wires)
        edges = tuple(Edge(wire.source, wire.carried) for wire in node.wires)
        stages[name] = Stage(_float_node(node, shapes), edges, node.shape, name in binary, separate=bool(edges))
    return Program(stages, [graph.input], [graph.output], fixed=False)


def _float_node(node: Node, shapes: tuple[tuple[int, ...], ...]) -> Any:
    op = node.op
    if isinstance(op, Weighted):
        bias = None if op.bias is None else op.rows(op.bias)
        return maps.Weighted(weighted_map(op, op.weight, node.shape), bias, node.shape)
    if isinstance(op, Affine):
        return Scaled(op.scale, op.shift, node.shape)
    if isinstance(op, Neuron):
        return FloatNeuron(op.rule, node.shape, op.emits)
    return _plain(node, shapes, fixed=False)


def _plain(node: Node, shapes: tuple[tuple[int, ...], ...], fixed: bool, left: tuple[int, ...] = ()) -> Any:
    """The stepping node of an operation without parameters; ``left``: bits by which a Sum shifts each operand."""
    op = node.op
    if isinstance(op, Levels):
        return Counted(op.most)
    if isinstance(op, Source):
        return maps.Stateless(lambda x: x)
    if isinstance(op, Layout):
        return Moved(op, shapes)
    if isinstance(op, Sum):
        return Added(left or (0,) * len(shapes), fixed)
    if isinstance(op, Product):
        return Multiplied(op, fixed)
    if isinstance(op, MaxPool | SumPool | Reduce):
        return Pooled(op, node.shape)
    raise DeployError(f"{type(op).__name__} has no stepper")


Rounded = Callable[[str, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(name of a layer, its weights in units of mantissas, limit) -> (integers within the limit, what the bias should gain
for the rounding, (out,), in mantissas times real values of the layer's input)."""


def to_nearest(name: str, weight: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Round each weight to nearest by itself, without a correction of the bias; ``limit`` has no effect."""
    return np.rint(weight), np.zeros(1)


def compile_fixed(
    graph: Graph,
    peaks: Mapping[str, float],
    inputs: np.ndarray | float,
    rounded: Rounded = to_nearest,
) -> Program:
    """Compile a captured network to a program in integers.

    Args:
        peaks: ``Traces.peaks`` of the floating-point program on calibration data.
        inputs: the calibration data, which set the unit of the input; or that unit.
        rounded: how weights become integers.

    Raises:
        DeployError: neurons have negative thresholds; the message names all of them.
    """
    refusals = [
        Refusal(name, "neuron", "its threshold is below 0, and a chip's are not")
        for name, node in graph.nodes.items()
        if isinstance(node.op, Neuron) and np.min(node.op.rule.threshold) < 0
    ]
    if refusals:
        raise DeployError("; ".join(f"{r.node}: {r.reason}" for r in refusals))
    unit = input_unit(inputs) if isinstance(inputs, np.ndarray) else inputs
    return _Compiler(graph, peaks, unit, rounded).program()


class _Compiler:
    """Compiles the nodes of a graph one after the other; ``stages``, ``units`` and ``errors`` collect the results."""

    def __init__(self, graph: Graph, peaks: Mapping[str, float], unit: float, rounded: Rounded) -> None:
        self.graph, self.peaks, self.unit, self.rounded = graph, peaks, unit, rounded
        self.readers = graph.readers()
        self.units: dict[str, float] = {}
        self.stages: dict[str, Stage] = {}
        self.errors: list[Rounding] = []

    def program(self) -> Program:
        """Compile every node to a stage."""
        binary = self.graph.binary()
        for name, node in self.graph.nodes.items():
            if isinstance(node.op, Neuron) and node.op.emits is None:
                self.units[name] = 1.0  # set first, for nodes that read it a step later
            elif (factor := _factor(node.op)) and self.units.get(node.wires[0].source) == 1.0:
                self.units[name] = abs(factor)  # a graded spike, likewise
        for name, node in self.graph.nodes.items():
            stage = self._stage(name, node)
            self.units[name] = stage.unit
            self.stages[name] = replace(stage, spikes=name in binary)
        return Program(self.stages, [self.graph.input], [self.graph.output], fixed=True, errors=self.errors)

    def _stage(self, name: str, node: Node) -> Stage:
        op = node.op
        edges = tuple(Edge(wire.source, wire.carried) for wire in node.wires)
        units = [self.units[wire.source] for wire in node.wires]
        shapes = tuple(self.graph.nodes[wire.source].shape for wire in node.wires)
        if isinstance(op, Source):
            return Stage(maps.Stateless(lambda x: x), (), node.shape, False, self.unit)
        if isinstance(op, Weighted):
            return self._weighted(name, node, op, edges, units[0])
        if isinstance(op, Affine):
            return self._affine(name, node, op, edges, units[0])
        if isinstance(op, Neuron):
            return self._neuron(name, node, op, edges, units[0])
        if isinstance(op, Levels):
            return Stage(Counted(op.most, units[0]), edges, node.shape, False, separate=True)
        unit, left = units[0] if units else 1.0, (0,) * len(units)
        if isinstance(op, Product):
            unit = units[0] * units[1]
        elif len(set(units)) > 1:
            unit = min(units)
            ratios = [math.log2(other / unit) for other in units]
            left = tuple(round(ratio) for ratio in ratios)
            if any(abs(ratio - bits) > 1e-9 for ratio, bits in zip(ratios, left, strict=True)):
                edges = tuple(self._brought(name, edge, unit) for edge in edges)
                left = (0,) * len(units)
            if isinstance(op, Layout) and any(left):
                edges = tuple(self._brought(name, edge, unit) for edge in edges)
        return Stage(_plain(node, shapes, True, left), edges, node.shape, False, unit, separate=True)

    def _brought(self, name: str, edge: Edge, unit: float) -> Edge:
        """Convert an edge's signal to ``unit`` by a stage that multiplies; returns the edge behind that stage."""
        if self.units[edge.source] == unit:
            return edge
        label, shape = f"{edge.source}->{name}", self.graph.nodes[edge.source].shape
        wanted = np.asarray(self.units[edge.source] / unit)
        rounded = to_mantissa(wanted, CHIP.weight_bits, axis=None)
        note(self.errors, label, "scale", rounded.value(), wanted)
        node = FixedScaled(rounded.mantissa, -rounded.exponent, np.zeros(1, np.int64), shape)
        self.stages[label] = Stage(node, (edge,), shape, False, unit, separate=True)
        self.units[label] = unit
        return Edge(label)

    def _reach(self, name: str) -> float:
        """Largest value of a signal and, in its scale, of signals made of it by sums, moves, factors and spikes."""
        found, waiting, seen = 0.0, [(name, 1.0)], set[str]()
        while waiting:
            at, factor = waiting.pop()
            op = self.graph.nodes[at].op
            if at in seen or isinstance(op, Neuron):
                continue
            seen.add(at)
            if at != name and (scale := _factor(op)):
                factor *= abs(scale)  # changes the unit only; the integers stay the same
            elif isinstance(op, Product):
                if not any(self._spikes(wire.source) for wire in self.graph.nodes[at].wires):
                    continue
            elif at != name and not isinstance(op, Sum | Layout | MaxPool | SumPool | Reduce):
                continue
            found = max(found, self.peaks[at] / factor)
            waiting += [(reader, factor) for reader in self.readers[at]]
        return found

    def _spikes(self, name: str) -> bool:
        """Whether a signal is spikes, at most moved or max-pooled, so that its integers are its values."""
        node = self.graph.nodes[name]
        if isinstance(node.op, Neuron):
            return node.op.emits is None
        return isinstance(node.op, Layout | MaxPool) and all(self._spikes(wire.source) for wire in node.wires)

    def _weighted(self, name: str, node: Node, op: Weighted, edges: tuple[Edge, ...], reads: float) -> Stage:
        unit = finest_unit(self._reach(name), CHIP.state_bits)
        wanted = op.weight * (reads / unit)
        exponent = row_exponents(wanted, CHIP.weight_bits)
        mantissa, missing = self.rounded(name, np.ldexp(wanted, -exponent), mantissa_limit(CHIP.weight_bits))
        note(self.errors, name, "weight", np.ldexp(mantissa, exponent) * unit, op.weight * reads)
        exact = np.zeros(len(wanted)) if op.bias is None else op.bias / unit
        exact = exact + np.ldexp(missing, exponent.ravel()) / reads
        bias = op.rows(np.rint(exact).astype(np.int64)) if exact.any() else None
        if bias is not None:
            note(self.errors, name, "bias", bias.ravel(), exact)
        mapped = weighted_map(op, mantissa.astype(np.float64), node.shape)
        right: Any = op.rows(np.minimum(-exponent.astype(np.int64).ravel(), 62))  # a larger shift leaves nothing either
        return Stage(
            maps.FixedWeighted(mapped, bias, right, node.shape, mantissa.astype(np.int32)),
            edges,
            node.shape,
            False,
            unit,
        )

    def _affine(self, name: str, node: Node, op: Affine, edges: tuple[Edge, ...], reads: float) -> Stage:
        """Compile scale and shift; a scale that is one factor for all values changes the unit only."""
        if factor := _factor(op):
            unit = reads * abs(factor)
            # a shift may need a finer unit
            whole = bool((op.shift / unit == np.rint(op.shift / unit)).all())
            bits = 0 if whole else max(0, math.floor(math.log2(unit / finest_unit(self._reach(name), CHIP.state_bits))))
            unit /= 2**bits
            mantissa, right = np.asarray(int(math.copysign(1, factor))), np.asarray(-bits)
        else:
            unit = finest_unit(self._reach(name), CHIP.state_bits)
            rounded = to_mantissa(op.scale * (reads / unit), CHIP.weight_bits, axis=tuple(range(op.scale.ndim)))
            note(self.errors, name, "scale", rounded.value(), op.scale * (reads / unit))
            mantissa, right = rounded.mantissa.astype(np.int64), -rounded.exponent
            mantissa, right = (value.reshape(np.shape(op.scale)) for value in (mantissa, right))
        shift = np.rint(op.shift / unit).astype(np.int64)
        note(self.errors, name, "shift", shift, op.shift / unit)
        return Stage(FixedScaled(mantissa, right, shift, node.shape), edges, node.shape, False, unit, separate=True)

    def _neuron(self, name: str, node: Node, op: Neuron, edges: tuple[Edge, ...], reads: float) -> Stage:
        rule = op.rule
        updates = [rule.update] + ([] if rule.after is None else [rule.after])
        gain = float(max((np.abs(value).max() for update in updates for value in update.gain), default=0.0)) or 1.0
        fires = bool(np.isfinite(rule.threshold).all())
        reach = max(
            self.peaks[name], float(np.max(rule.threshold)) if fires else 0.0, float(np.abs(rule.v_reset).max())
        )
        left = math.floor(math.log2(reads * gain * CHIP.state_limit / (HEADROOM * reach))) if reach > 0 else 0
        unit = reads * gain / 2.0**left
        threshold = np.rint((rule.threshold if fires else np.zeros(())) / (unit * ALIGN)).astype(np.int64) * ALIGN
        if fires:
            note(self.errors, name, "threshold", threshold, rule.threshold / unit)
        else:
            threshold = np.full((), np.iinfo(np.int64).max)
        initial = rule.initial or (np.zeros(()),) * rule.states
        integers = Integers(
            self._update(name, rule.update, gain, unit),
            None if rule.after is None else self._update(name, rule.after, gain, unit),
            threshold,
            np.rint(rule.v_reset / unit).astype(np.int64),
            tuple(np.rint(value / unit).astype(np.int64) for value in initial),
            left,
        )
        stepping = FixedNeuron(rule, integers, node.shape, op.emits)
        return Stage(stepping, edges, node.shape, False, 1.0 if op.emits is None else unit, unit)

    def _update(self, name: str, update: Update, gain: float, unit: float) -> Update:
        keep = [[_kept(value) for value in row] for row in update.keep]
        gains = [np.rint(value / gain * DECAY).astype(np.int64) for value in update.gain]
        biases = [np.rint(value / unit).astype(np.int64) for value in update.bias]
        for row, wanted in zip(keep, update.keep, strict=True):
            for got, real in zip(row, wanted, strict=True):
                note(self.errors, name, "decay", got, real * DECAY)
        return Update(tuple(map(tuple, keep)), tuple(gains), tuple(biases))


def _factor(op: Any) -> float:
    """The factor of an Affine that scales all values alike; 0 for other operations."""
    return float(op.scale.flat[0]) if isinstance(op, Affine) and (op.scale == op.scale.flat[0]).all() else 0.0


def _kept(share: np.ndarray) -> np.ndarray:
    """A coefficient in units of 2^-12, int64; a share of a state, 0 to 1, becomes 4096 less its decay constant."""
    exact = np.rint(np.asarray(share, np.float64) * DECAY).astype(np.int64)
    return np.where((share >= 0) & (share <= 1), DECAY - decay_of(share), exact)
