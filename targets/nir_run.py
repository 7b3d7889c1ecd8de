"""Runs a standard NIR graph on a target: plans it, compiles it in floating point, and discretises it if asked to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nir
import numpy as np

from processes.errors import DeployError
from processes.nir_nodes.neurons import Method, Reset
from targets.chains import HOLDERS, Request, hold, run_chain, write_package
from targets.nir_graph.fixed import compile_fixed
from targets.nir_graph.plan import Plan, make_plan
from targets.nir_graph.program import Program, Traces, compile_float, interpret
from targets.nir_graph.units import Rounding

TARGETS = ("lava-sim", "stepper", "closed-form", *HOLDERS)
"""Targets of standard graphs; "closed-form" steps them in numpy, too; those in HOLDERS run chains only."""


@dataclass(frozen=True)
class Discretisation:
    """How a graph's differential equations become time steps.

    Attributes:
        dt: time step in the unit of the graph's time constants.
        method: Euler's, or the exact solution for inputs that are constant during a step.
        reset: "v_reset", a spike sets v to v_reset as NIR defines it; "subtract", it subtracts threshold - v_reset;
            "delayed", it does so a step later, in floating point only.
        precision: floating point, or Loihi's integers.
        scale: integer units of weight per real 1 in fixed point; None chooses one for each population.
    """

    dt: float = 1e-4
    method: Method = "euler"
    reset: Reset = "v_reset"
    precision: Literal["float", "fixed"] = "float"
    scale: float | None = None


@dataclass(frozen=True)
class GraphRun:
    """Result of running a standard graph.

    Attributes:
        traces: what was recorded.
        roundings: largest relative error of each rounded parameter; empty in floating point.
        deviation: by output, |run - float| / |float| (Euclidean norms) of its sums over time; empty in floating point.
        seconds_per_sample, steps: running time and time steps of a sample.
        differing: number of a simulator's spikes that differ from the expected integer run's; None for our own runs.
    """

    traces: Traces
    roundings: tuple[Rounding, ...]
    deviation: dict[str, float]
    seconds_per_sample: float
    steps: int
    differing: int | None = None


def run_graph(
    graph: nir.NIRGraph,
    inputs: dict[str, np.ndarray],
    how: Discretisation,
    target: str = "closed-form",
    granularity: str = "block",
    calibration: dict[str, np.ndarray] | None = None,
    done: Callable[[int], None] | None = None,
) -> GraphRun:
    """Run a standard graph on a target.

    Args:
        graph: as :func:`evaluator.nir_reader.read_graph` returns it.
        inputs: (samples, T, *shape) in real units, by name of the Input.
        how: time step, method, reset and precision.
        target: one of TARGETS.
        granularity: "block" or "operation", the size of Lava's Processes.
        calibration: other inputs, which set the units in fixed point; None takes ``inputs``.
        done: called with 0, 1, ... when a sample has been run.

    Raises:
        UnsupportedGraph: the graph cannot run; it has every reason.
        DeployError: the target is not available, or cannot hold the graph's parameters, resets or inputs.
    """
    _check_reset(how, target)
    plan = make_plan(graph, how.dt, how.method)
    program = compile_float(plan, how.dt, how.method, how.reset)
    floating: Traces | None = None
    set_ranges = inputs if calibration is None else calibration
    if target in HOLDERS:
        request = Request(
            plan, lambda: _fixed(plan, program, inputs, set_ranges, how)[0], inputs, how.dt, how.method, how.reset
        )
        return _elsewhere(target, request, interpret(program, inputs), done)
    if how.precision == "fixed":
        program, floating = _fixed(plan, program, inputs, set_ranges, how)
    samples, steps = next(iter(inputs.values())).shape[:2]
    begin = time.perf_counter()
    if target == "lava-sim":
        from targets.nir_graph.lava import run_in_lava

        traces = run_in_lava(program, inputs, granularity, done=done)
    else:
        traces = interpret(program, inputs)
        for sample in range(samples if done else 0):
            done(sample)  # type: ignore[misc]
    seconds = (time.perf_counter() - begin) / samples
    deviation = {} if floating is None else {n: _apart(y, floating.outputs[n]) for n, y in traces.outputs.items()}
    return GraphRun(traces, tuple(program.errors), deviation, seconds, steps)


def write_for_chip(
    graph: nir.NIRGraph, inputs: dict[str, np.ndarray], how: Discretisation, target: str, folder: Path
) -> None:
    """Write a graph in a chip's integers, with the first sample, as files for a lab that has the chip's SDK.

    The files and errors are those of :func:`targets.chains.write_package`; ``folder`` has to exist.
    """
    _check_reset(how, target)
    plan = make_plan(graph, how.dt, how.method)
    program = compile_float(plan, how.dt, how.method, how.reset)
    request = Request(
        plan, lambda: _fixed(plan, program, inputs, inputs, how)[0], inputs, how.dt, how.method, how.reset
    )
    held = hold(target, request)
    write_package(held, inputs[held.source][0], folder)


def _check_reset(how: Discretisation, target: str) -> None:
    """Raise DeployError for delayed resets where a chip's integers would have to run them."""
    if how.reset == "delayed" and (how.precision == "fixed" or target in HOLDERS):
        where = f"--target {target}" if target in HOLDERS else "--precision fixed"
        raise DeployError(
            f"{where}: chips reset at the spike, this network a step later (--reset delayed); train it with "
            "reset_delay=False and give --reset subtract, which weights that were trained otherwise may not survive"
        )


def _elsewhere(target: str, request: Request, floating: Traces, done: Callable[[int], None] | None) -> GraphRun:
    """Run a request in the simulator of a chain target, and compare its outputs with the floating-point run's."""
    ran = run_chain(target, request, done)
    deviation = {name: _apart(y, floating.outputs[name]) for name, y in ran.traces.outputs.items()}
    steps = next(iter(request.inputs.values())).shape[1]
    return GraphRun(ran.traces, ran.roundings, deviation, ran.seconds_per_sample, steps, ran.differing)


def _fixed(
    plan: Plan, program: Program, inputs: dict[str, np.ndarray], calibration: dict[str, np.ndarray], how: Discretisation
) -> tuple[Program, Traces]:
    """(program in integers, traces of the floating-point program on ``inputs``)."""
    if how.scale is not None and not how.scale > 0:
        raise DeployError(f"--scale {how.scale}: units of weight per real 1, above 0; the NIR paper's LIF has 250")
    floating = interpret(program, inputs)
    peaks = floating.peaks if calibration is inputs else interpret(program, calibration).peaks
    return compile_fixed(plan, peaks, calibration, how.dt, how.method, how.reset, how.scale), floating


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Relative Euclidean distance of the sums over time of outputs (samples, T, *shape) from those of ``b``."""
    first, second = a.sum(1).ravel(), b.sum(1).ravel()
    return float(np.linalg.norm(first - second) / (np.linalg.norm(second) or 1.0))
