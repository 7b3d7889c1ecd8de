"""`deploy energy FILE.nir`: counts the events of a standard NIR graph on data and prices them like `deploy trained`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.errors import DeployError
from deploy.nir_files import discretisation, read_repaired
from deploy.nir_presets import apply
from deploy.options import GraphOptions
from deploy.progress import Progress
from deploy.sources.signals import load_signals
from deploy.trained.count import Counting, tallies
from deploy.trained.energy import energies
from deploy.trained.report import EnergyReport
from processes.batches import slices
from processes.spiking import Affine, Graph, Layout, Neuron, Node, Source, Sum, SumPool, Weighted, Wire
from processes.spiking.neuron import Rule, Update
from processes.spiking.steppers import Added
from targets.nir_graph.cycles import Edge
from targets.nir_graph.kinds import NEURONS, SPIKING
from targets.nir_graph.plan import Plan, make_plan
from targets.nir_graph.program import Program, Stage, compile_float, map_of, weights_of
from targets.nir_graph.windows import conv_geometry, pair

BATCH = 50


def energy_of_file(
    path: Path, data: Path | None, samples: int, options: GraphOptions, progress: Progress
) -> EnergyReport:
    """Run the first ``samples`` samples of ``data`` through a NIR file in floating point, count events, and price them.

    Raises:
        DeployError: the file or the data cannot be used, or the graph has not exactly one input and one output.
        UnsupportedGraph: nodes of the graph cannot run; the error lists all of them.
    """
    graph, _ = read_repaired(path, options.dt)
    if "format" in graph.metadata:
        raise DeployError(
            f"{path}: a network of this package; give the folder that deploy convert or trained wrote, which has its events"
        )
    if data is None:
        raise DeployError(f"--input missing: events of {path} are counted on data; give an .npz or a NIR data file")
    graph, preset = (graph, None) if options.framework is None else apply(options.framework, graph)
    how = discretisation(options, graph, None, preset)
    plan = make_plan(graph, how.dt, how.method)
    if len(plan.inputs) != 1 or len(plan.outputs) != 1:
        raise DeployError(
            f"{path}: has {len(plan.inputs)} inputs and {len(plan.outputs)} outputs; events are counted of graphs with one each"
        )
    (entry,) = plan.inputs
    signals = load_signals(data, {entry: plan.items[entry].shape}, samples, options.steps, how.dt)
    how = discretisation(options, graph, signals.dt, preset)
    counting = counting_of(plan, compile_float(plan, how.dt, how.method, how.reset), signals.inputs[entry])
    x = signals.inputs[entry]
    with progress.stage("count events", len(x)) as advance:
        for part in slices(len(x), BATCH):
            counting.run(x[part])
            advance(len(x[part]))
    return energies(counting)


def counting_of(plan: Plan, program: Program, x: np.ndarray) -> Counting:
    """A counter for ``program`` on x (samples, T, *shape); several edges into a node become a Sum node before it."""
    stages: dict[str, Stage] = {}
    nodes: dict[str, Node] = {}
    for name, item in plan.items.items():
        stage, wires = program.stages[name], tuple(Wire(edge.source, edge.carried) for edge in item.sources)
        if len(wires) > 1:
            joined = f"{name} +"
            added: Any = Added((0,) * len(wires), fixed=False)
            stages[joined] = Stage(added, stage.sources, item.reads, False, separate=True)
            nodes[joined] = Node(Sum(), wires, item.reads)
            stage, wires = replace(stage, sources=(Edge(joined),)), (Wire(joined),)
        stages[name] = stage
        nodes[name] = Node(_operation(item.node, item.shape), wires, item.shape)
    view = Graph(nodes, plan.inputs[0], plan.outputs[0])
    counting = Counting(view, Program(stages, plan.inputs, plan.outputs, fixed=False), tallies(x))
    for name, item in plan.items.items():
        if (found := weights_of(item.node)) is not None:
            counting.fans[name] = map_of(item.node, (found[0] != 0).astype(np.float64))
            counting.dense[name] = map_of(item.node, np.ones_like(found[0], np.float64))
    return counting


def _operation(node: Any, shape: tuple[int, ...]) -> Any:
    """The operation that a NIR node is counted as; the program steps the node itself, with its own equations."""
    size = int(np.prod(shape))
    if isinstance(node, nir.Input):
        return Source()
    if isinstance(node, nir.Scale):
        return Weighted(np.broadcast_to(node.scale, shape).reshape(size, 1), None)
    if (found := weights_of(node)) is not None:
        stride = conv_geometry(node)[0] if isinstance(node, nir.Conv1d | nir.Conv2d) else ()
        return Weighted(*found, stride)
    if isinstance(node, nir.SumPool2d):
        kernel, stride, padding = (pair(getattr(node, f), 2, f) for f in ("kernel_size", "stride", "padding"))
        return SumPool(kernel, stride, padding)  # type: ignore[arg-type]
    if isinstance(node, nir.AvgPool2d):
        return Affine(np.full((), 1 / np.prod(pair(node.kernel_size, 2, "kernel_size"))), np.zeros(()))
    if isinstance(node, nir.Threshold):
        return Neuron(_rule(1), None)
    if isinstance(node, NEURONS):
        return Neuron(_rule(1), None if isinstance(node, SPIKING) else 0)
    return Layout(np.arange(size).reshape(shape))  # Output, Flatten, Delay move values and compute nothing


def _rule(states: int) -> Rule:
    """A placeholder rule with ``states`` states: events are counted by kind of neuron, and nothing steps the rule."""
    zero = np.zeros(())
    return Rule(Update(((zero,) * states,) * states, (zero,) * states, (zero,) * states), zero, False, "none")
