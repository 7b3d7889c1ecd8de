"""Discretises a plan to Loihi's formats, 8-bit weights, 12-bit decays and 24-bit potentials, and notes the errors.

* r, dt/tau and w_in are multiplied into the weights in front of a neuron: into the Affine, Linear, Scale, Conv1d or
  Conv2d that leads to it alone, or else into a Scale that is put on the edge.
* Decay constants are d = floor(4096 (1 - a)) for a state that keeps the share a of itself in a step (a = 1 - dt/tau by
  Euler's method): rounded down, as in the NIR paper's Lava runs, since the product is cut, too.
* A population's potential has the finest unit, a power of two, in which 24 bits hold twice what it reached in floating
  point; ``scale`` sets it by hand. Weights are 8-bit mantissas with one exponent per node, biases and reset potentials
  24-bit, thresholds 17-bit in units of 64.
* Other signals (inputs, chains of weights) have the finest power of two as unit in which 24 bits hold twice what they
  reached; integer inputs below 2^15 keep unit 1. AvgPool2d sums, and its unit is divided by the kernel's area.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from processes import lif
from processes.errors import DeployError, Refusal, UnsupportedGraph
from processes.fixed import to_mantissa
from processes.nir_nodes import Node, maps
from processes.nir_nodes.neurons import Coefficients, FixedNeuron, Method, Reset, coefficients
from targets.nir_graph.cycles import Edge
from targets.nir_graph.kinds import NEURONS, SPIKING, WEIGHTED
from targets.nir_graph.plan import Item, Plan
from targets.nir_graph.program import Program, Stage, map_of, structural, weights_of
from targets.nir_graph.units import ALIGN, CHIP, DECAY, Rounding, decay_of, finest_unit, input_unit, note
from targets.nir_graph.windows import pair


def compile_fixed(
    plan: Plan,
    peaks: Mapping[str, float],
    inputs: Mapping[str, np.ndarray],
    dt: float,
    method: Method = "euler",
    reset: Reset = "v_reset",
    scale: float | None = None,
) -> Program:
    """Compile a plan to a program in integers.

    Args:
        peaks: ``Traces.peaks`` of the floating-point program on calibration data.
        inputs: the calibration data by Input, which set the units of the inputs.
        scale: units of weight (of 64 units of potential) per real 1, for all neurons; None chooses for each.

    Raises:
        UnsupportedGraph: with every node that Loihi's integers cannot express.
        DeployError: a threshold or a weight does not fit at the given scale.
    """
    _refuse(plan, method)
    return _Compiler(plan, peaks, inputs, dt, method, reset, scale).program()


def _refuse(plan: Plan, method: Method) -> None:
    refusals: list[Refusal] = []
    for name, item in plan.items.items():
        node: Any = item.node
        if isinstance(node, nir.CubaLI | nir.CubaLIF) and method == "exact":
            reason = "Loihi's two decays are not the exact solution of its two equations; use --method euler"
            refusals.append(Refusal(name, type(node).__name__, reason))
        if isinstance(node, SPIKING) and np.min(node.v_threshold) < 0:
            refusals.append(Refusal(name, type(node).__name__, "Loihi's thresholds are not negative"))
    if refusals:
        raise UnsupportedGraph(refusals)


class _Compiler:
    """Compiles the nodes of a plan one after the other; ``stages`` and ``errors`` collect the results."""

    def __init__(self, plan: Plan, peaks: Mapping[str, float], inputs: Mapping[str, np.ndarray], dt: float,
                 method: Method, reset: Reset, scale: float | None) -> None:  # fmt: skip
        self.plan, self.peaks, self.dt, self.subtract, self.scale = plan, peaks, dt, reset == "subtract", scale
        self.readers = plan.readers()
        self.stages: dict[str, Stage] = {}
        self.inputs = inputs
        self.errors: list[Rounding] = []
        self.of: dict[str, Coefficients] = {
            name: coefficients(item.node, dt, method)
            for name, item in plan.items.items()
            if isinstance(item.node, NEURONS)
        }

    def program(self) -> Program:
        """Settle all units, then compile every node to a stage."""
        self._settle_units()
        for name, item in self.plan.items.items():
            if not item.sources:
                self.stages[name] = Stage(maps.Stateless(lambda x: x), (), item.shape, False, self.units[name])
            elif isinstance(item.node, NEURONS):
                self._neuron(name, item)
            elif isinstance(item.node, WEIGHTED):
                reader = self._folds_into(name)
                gain = np.ones(1) if reader is None else self.of[reader].c_x
                self._weighted(name, item, self._sources(name, item), self.units[name], gain)
            else:
                self._structural(name, item)
        plan = self.plan
        return Program(self.stages, plan.inputs, plan.outputs, fixed=True, errors=self.errors)

    def _settle_units(self) -> None:
        """Set ``units``, the unit of every node's output, and ``reads``, the unit of its input (not of neurons)."""
        spiking = {name for name, item in self.plan.items.items() if isinstance(item.node, (*SPIKING, nir.Threshold))}
        self.units = {name: input_unit(self.inputs[name]) for name in self.plan.inputs} | dict.fromkeys(spiking, 1.0)
        self.potential = {name: self._neuron_unit(name) for name in self.of}
        self.units |= {name: unit for name, unit in self.potential.items() if name not in spiking}
        for name, item in self.plan.items.items():
            if isinstance(item.node, WEIGHTED):
                reader = self._folds_into(name)
                fine = finest_unit(self.peaks[name], CHIP.graded_bits)
                self.units[name] = fine if reader is None else self.potential[reader]
        self.reads: dict[str, float] = {}
        waiting = [name for name, item in self.plan.items.items() if item.sources]
        while waiting:  # one pass, unless only carried edges lead to a Delay
            for name in waiting:
                item = self.plan.items[name]
                known = [self.units[edge.source] for edge in item.sources if edge.source in self.units]
                if known:
                    self.reads[name] = max(known)
                    self.units.setdefault(name, max(known) / _area(item.node))
            waiting = [name for name in waiting if name not in self.reads]

    def _neuron_unit(self, name: str) -> float:
        """Real value of 1 in a neuron's integer potential."""
        if self.scale is not None:
            return 1 / (self.scale * ALIGN)
        node: Any = self.plan.items[name].node
        reach = [self.peaks[name], *(np.abs(getattr(node, f, 0)).max() for f in ("v_threshold", "v_reset"))]
        return finest_unit(float(max(reach)), CHIP.state_bits)

    def _folds_into(self, name: str) -> str | None:
        """The neuron whose input gain can be multiplied into node ``name``'s weights, or None."""
        item, readers = self.plan.items[name], self.readers[name]
        if not isinstance(item.node, WEIGHTED) or len(readers) != 1 or readers[0] not in self.of:
            return None
        if isinstance(item.node, nir.Scale):
            return readers[0]
        axis = -1 if isinstance(item.node, nir.Affine | nir.Linear) else 0
        full = np.broadcast_to(self.of[readers[0]].c_x, item.shape)
        rows = np.moveaxis(full, axis, 0).reshape(item.shape[axis], -1)  # the gains of one row or channel
        return readers[0] if (rows == rows[:, :1]).all() else None

    def _sources(self, name: str, item: Item) -> tuple[Edge, ...]:
        """A node's input edges; those with a unit other than ``reads`` pass through a Scale that converts them."""
        unit = self.reads[name]
        return tuple(
            edge if self.units[edge.source] == unit else self._adapter(name, edge, item.reads, unit, np.ones(1))
            for edge in item.sources
        )

    def _adapter(self, name: str, edge: Edge, shape: tuple[int, ...], unit: float, gain: np.ndarray) -> Edge:
        """Put a Scale on an edge, which multiplies by ``gain`` and converts to ``unit``; returns the edge behind it."""
        label = f"{edge.source}->{name}"
        scale = Item(nir.Scale(np.ones(shape)), (edge,), shape, shape)
        self.reads[label] = self.units[edge.source]
        self._weighted(label, scale, (edge,), unit, gain)
        return Edge(label)

    def _weighted(self, name: str, item: Item, sources: tuple[Edge, ...], unit: float, gain: np.ndarray) -> None:
        weights = weights_of(item.node)
        assert weights is not None
        weight, bias = _folded(item, *weights, gain)
        in_unit = self.reads[name]
        rounded = to_mantissa(weight * in_unit / unit, CHIP.weight_bits, axis=None)
        exponent = int(rounded.exponent.item())
        note(self.errors, name, "weight", rounded.value(), weight * in_unit / unit)
        bias_units = None
        if bias is not None and bias.any():
            bias_units = np.rint(bias / unit).astype(np.int64)
            note(self.errors, name, "bias", bias_units, bias / unit)
        mapped = map_of(item.node, rounded.mantissa.astype(np.float64))
        node = maps.FixedWeighted(mapped, bias_units, -exponent, item.shape, rounded.mantissa)
        self.stages[name] = Stage(node, sources, item.shape, False, unit)

    def _neuron(self, name: str, item: Item) -> None:
        node: Any = item.node
        of, unit = self.of[name], self.potential[name]
        sources = tuple(
            edge if self._folds_into(edge.source) == name else self._adapter(name, edge, item.shape, unit, of.c_x)
            for edge in item.sources
        )
        dv = self._decay(name, "tau_mem" if of.a_i is not None else "tau", of.a_v, 0)
        du = DECAY - 1 if of.a_i is None else self._decay(name, "tau_syn", of.a_i, 1) - 1
        fires = isinstance(node, SPIKING)
        bias = np.rint(of.b / unit).astype(np.int64)
        note(self.errors, name, "v_leak", bias, of.b / unit)
        vth = v_reset = np.zeros(1, np.int64)
        if fires:
            threshold = np.asarray(node.v_threshold, np.float64)
            vth = np.rint(threshold / (unit * ALIGN)).astype(np.int64)
            note(self.errors, name, "v_threshold", vth, threshold / (unit * ALIGN))
            v_reset = np.rint(np.asarray(node.v_reset, np.float64) / unit).astype(np.int64)
            note(self.errors, name, "v_reset", v_reset, np.asarray(node.v_reset, np.float64) / unit)
        try:
            neuron = lif.LIF(du=du, dv=dv, vth=vth, bias=bias, v_reset=v_reset, subtract=self.subtract)
        except DeployError as error:
            raise DeployError(f"node '{name}': {error}, or choose a smaller --scale") from error
        stepping = FixedNeuron(neuron, item.shape, fires)
        self.stages[name] = Stage(stepping, sources, item.shape, fires, 1.0 if fires else unit, unit)

    def _decay(self, name: str, parameter: str, kept: np.ndarray, least: int) -> np.ndarray:
        d = np.clip(decay_of(kept), least, DECAY - 1 + least)
        note(self.errors, name, parameter, d, DECAY * (1 - np.asarray(kept, np.float64)))
        return d

    def _structural(self, name: str, item: Item) -> None:
        sources = self._sources(name, item)
        unit = self.reads[name]
        node: Node
        spikes = False
        if isinstance(item.node, nir.Threshold):
            # for an integer x, x > theta is x > floor(theta)
            theta = np.asarray(item.node.threshold, np.float64) / unit
            node, spikes, unit = (
                maps.Threshold(np.broadcast_to(np.floor(theta).astype(np.int64), item.shape)),
                True,
                1.0,
            )
        else:
            node = structural(item.node, item.shape, self.dt, integers=True)
            unit = self.units[name]
        self.stages[name] = Stage(node, sources, item.shape, spikes, unit)


def _area(node: nir.NIRNode) -> float:
    """Area by which AvgPool2d divides, 1 for other nodes; in integers the unit is divided instead."""
    return float(np.prod(pair(node.kernel_size, 2, "kernel_size"))) if isinstance(node, nir.AvgPool2d) else 1.0


def _folded(
    item: Item, weight: np.ndarray, bias: np.ndarray | None, gain: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Weights and bias multiplied by the reading neuron's input gain, for each output row or channel."""
    if isinstance(item.node, nir.Scale):
        return weight * gain, None
    if gain.size == 1:
        gain = gain.reshape(())
        return weight * gain, None if bias is None else bias * gain
    full = np.broadcast_to(gain, item.shape)
    if isinstance(item.node, nir.Affine | nir.Linear):
        rows = full[..., :] if weight.ndim > 2 else full.reshape(-1, item.shape[-1])[0]
        return weight * rows[..., None], None if bias is None else bias * rows
    channels = full.reshape(item.shape[0], -1)[:, 0]
    column = channels.reshape(-1, *[1] * (weight.ndim - 1))
    return weight * column, None if bias is None else bias * column[..., 0]
