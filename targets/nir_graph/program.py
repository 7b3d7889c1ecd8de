"""Compiles a plan to nodes that step, and interprets them: every node once per time step, in order.

Lava runs the same nodes, distributed over Processes, and computes the same values as :func:`interpret`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

from processes.nir_nodes import Node, maps
from processes.nir_nodes.neurons import Method, Neuron, Reset, coefficients
from targets.nir_graph.cycles import Edge, delay_steps
from targets.nir_graph.kinds import NEURONS, SPIKING
from targets.nir_graph.plan import Plan
from targets.nir_graph.windows import conv_geometry, pair

Progress = Callable[[int], None]  # called with the number of each step that is done


@dataclass
class Stage:
    """One node of a program.

    Attributes:
        node: computes the output of a step from its input.
        sources: edges that its input comes from; the messages of several add up.
        shape: of one sample's output.
        spikes: whether its output is zeros and ones.
        unit: real value of 1 in its output; 1 in floating point.
        unit_v: real value of 1 in a neuron's potential; 1 in floating point.
        separate: whether the node takes the sources' messages as separate arguments instead of their sum.
    """

    node: Node
    sources: tuple[Edge, ...]
    shape: tuple[int, ...]
    spikes: bool
    unit: float = 1.0
    unit_v: float = 1.0
    separate: bool = False

    @property
    def population(self) -> bool:
        """Whether the node is a population of neurons, which has potentials ``v``."""
        return hasattr(self.node, "v")


@dataclass
class Program:
    """Stages by name, in running order; in integers if ``fixed``, with the ``errors`` of rounding."""

    stages: dict[str, Stage]
    inputs: list[str]
    outputs: list[str]
    fixed: bool
    errors: list[Any] = field(default_factory=list)

    def encode(self, name: str, x: np.ndarray) -> np.ndarray:
        """Convert real values of the Input ``name`` to the program's numbers: float64, or int64 in the input's unit."""
        return np.rint(x / self.stages[name].unit).astype(np.int64) if self.fixed else np.asarray(x, np.float64)


@dataclass
class Traces:
    """Recordings of a run.

    Attributes:
        outputs: by Output, (samples, T, *shape) float64 in real units.
        spikes: by spiking population, (samples, T, *shape) bool.
        potentials: by population, after resets, (samples, T, *shape), in the program's own units; only if asked for.
        overflows: by node, the number of values that did not fit the chip's widths.
        peaks: by node, the largest magnitude of its output; of neurons, that of the potential before resets.
    """

    outputs: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray]
    potentials: dict[str, np.ndarray] = field(default_factory=dict)
    overflows: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)


def compile_float(plan: Plan, dt: float, method: Method = "euler", reset: Reset = "v_reset") -> Program:
    """Compile a plan to a program in floating point; dt in the unit of the graph's time constants."""
    stages = {
        name: Stage(float_node(item.node, item.shape, dt, method, reset), item.sources, item.shape, _spikes(item.node))
        for name, item in plan.items.items()
    }
    return Program(stages, plan.inputs, plan.outputs, fixed=False)


def _spikes(node: nir.NIRNode) -> bool:
    return isinstance(node, (*SPIKING, nir.Threshold))


def float_node(node: Any, shape: tuple[int, ...], dt: float, method: Method, reset: Reset) -> Node:
    """The stepping node, in floating point, of a NIR node whose output has ``shape``."""
    if isinstance(node, NEURONS):
        of = coefficients(node, dt, method)
        if not isinstance(node, SPIKING):
            return Neuron(of, shape)
        threshold, v_reset = (np.asarray(v, np.float64) for v in (node.v_threshold, node.v_reset))
        return Neuron(of, shape, threshold, v_reset, reset)
    if isinstance(node, nir.Threshold):
        return maps.Threshold(np.broadcast_to(np.asarray(node.threshold, np.float64), shape))
    if (weights := weights_of(node)) is not None:
        weight, bias = weights
        return maps.Weighted(map_of(node, weight), bias if bias is not None and bias.any() else None, shape)
    return structural(node, shape, dt)


def structural(node: Any, shape: tuple[int, ...], dt: float, *, integers: bool = False) -> Node:
    """The stepping node of a NIR node without weights; in integers AvgPool2d only sums, and sums saturate."""
    if isinstance(node, nir.Delay):
        return maps.Delay(np.broadcast_to(delay_steps(node, dt), shape))
    if isinstance(node, nir.SumPool2d | nir.AvgPool2d):
        geometry = [pair(getattr(node, f), 2, f) for f in ("kernel_size", "stride", "padding")]
        area = float(np.prod(geometry[0])) if isinstance(node, nir.AvgPool2d) and not integers else 1.0
        pool = maps.pool_map(geometry[0], geometry[1], geometry[2], area)
        return maps.FixedWeighted(pool, None, 0, shape) if integers else maps.Stateless(pool)
    if isinstance(node, nir.Flatten):
        return maps.Stateless(lambda x: x.reshape(len(x), *shape))
    return maps.Stateless(lambda x: x)


def weights_of(node: Any) -> tuple[np.ndarray, np.ndarray | None] | None:
    """(weight, bias) in float64, the bias broadcasting to the output or None; None for a node without weights."""
    if isinstance(node, nir.Scale):
        return np.asarray(node.scale, np.float64), None
    if not isinstance(node, nir.Affine | nir.Linear | nir.Conv1d | nir.Conv2d):
        return None
    weight = np.asarray(node.weight, np.float64)
    if isinstance(node, nir.Linear):
        return weight, None
    bias = np.asarray(node.bias, np.float64)
    if isinstance(node, nir.Affine):
        return weight, bias
    return weight, np.broadcast_to(bias, len(weight)).reshape(-1, *[1] * (weight.ndim - 2))


def map_of(node: Any, weight: np.ndarray) -> maps.Map:
    """The linear map of a weighted NIR node with ``weight`` in place of its own, without the bias."""
    if isinstance(node, nir.Scale):
        return lambda x: x * weight
    if isinstance(node, nir.Affine | nir.Linear):
        return maps.affine_map(weight)
    return maps.conv_map(weight, *conv_geometry(node))


def gather(sources: tuple[Edge, ...], now: Mapping[str, Any], before: Mapping[str, Any]) -> np.ndarray | None:
    """Sum the messages of the sources, carried ones from the step ``before``; None if all are silent."""
    total: np.ndarray | None = None
    for edge in sources:
        message = (before if edge.carried else now).get(edge.source)
        if message is not None:
            total = message if total is None else total + message
    return total


class Stepper:
    """Steps the stages ``names`` of a program, and keeps each step's messages for edges that carry them to the next."""

    def __init__(self, program: Program, names: list[str]) -> None:
        self.stages = {name: program.stages[name] for name in names}
        self.reset()

    def reset(self) -> None:
        """Clear all states, for a new batch of samples."""
        for stage in self.stages.values():
            stage.node.reset()
        self.before: dict[str, np.ndarray | None] = {}

    def step(self, arrived: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray | None]:
        """Run one step and return its messages by stage, given those that ``arrived`` from Inputs and other groups."""
        now = dict(arrived)
        for name, stage in self.stages.items():
            if stage.separate:
                operands: Any = [gather((edge,), now, self.before) for edge in stage.sources]
                now[name] = stage.node.step(*operands)
            elif stage.sources:
                now[name] = stage.node.step(gather(stage.sources, now, self.before))
        self.before = now
        return now


def interpret(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    *,
    potentials: bool = False,
    done: Progress | None = None,
    seen: Callable[[Mapping[str, np.ndarray | None]], None] | None = None,
) -> Traces:
    """Run all samples together through every time step.

    Args:
        inputs: by Input, (samples, T, *shape) in real units.
        potentials: also record the neurons' potentials.
        done: called with the number of each step when it is done.
        seen: called with all messages of each step, by stage; None is silence.
    """
    encoded = {name: program.encode(name, inputs[name]) for name in program.inputs}
    samples, steps = next(iter(encoded.values())).shape[:2]
    stepper = Stepper(program, list(program.stages))
    recorder = Recorder(program, samples, steps, potentials)
    for t in range(steps):
        messages = stepper.step({name: x[:, t] for name, x in encoded.items()})
        recorder.write(slice(None), t, messages)
        if seen is not None:
            seen(messages)
        if done is not None:
            done(t)
    recorder.finish()
    return recorder.traces()


class Recorder:
    """Collects the outputs, spikes, potentials and peaks of a run."""

    def __init__(self, program: Program, samples: int, steps: int, potentials: bool) -> None:
        self.program = program
        self.outputs = {n: np.zeros((samples, steps, *program.stages[n].shape)) for n in program.outputs}
        self.neurons = {n: s for n, s in program.stages.items() if s.population}
        self.spikes = {n: np.zeros((samples, steps, *s.shape), bool) for n, s in self.neurons.items() if s.spikes}
        dtype = np.int64 if program.fixed else np.float64
        self.potentials = {
            n: np.zeros((samples, steps, *s.shape), dtype) for n, s in self.neurons.items() if potentials
        }
        self.peaks = dict.fromkeys(program.stages, 0.0)
        self.overflows: dict[str, int] = {}

    def write(self, sample: int | slice, t: int, messages: Mapping[str, np.ndarray | None]) -> None:
        """Record the messages (samples, *shape) of step ``t``, and the potentials if asked for."""
        for name, y in messages.items():
            if y is None:
                continue
            if name in self.outputs:
                self.outputs[name][sample, t] = y
            if name in self.spikes:
                self.spikes[name][sample, t] = y
            if name not in self.neurons:  # neurons themselves keep the peak of their potential
                self.peaks[name] = max(self.peaks[name], float(np.abs(y).max(initial=0)))
        for name, trace in self.potentials.items():
            node: Any = self.program.stages[name].node
            trace[sample, t] = node.v

    def finish(self) -> None:
        """At the end of samples, collect the peaks and overflows that the nodes themselves count."""
        for name, stage in self.program.stages.items():
            if stage.population:
                node: Any = stage.node
                self.peaks[name] = max(self.peaks[name], node.peak * stage.unit_v)
            if stage.node.overflows:
                self.overflows[name] = self.overflows.get(name, 0) + stage.node.overflows

    def traces(self) -> Traces:
        """The recordings, with outputs in real units."""
        outputs = {name: y * self.program.stages[name].unit for name, y in self.outputs.items()}
        return Traces(outputs, self.spikes, self.potentials, self.overflows, self.peaks)
