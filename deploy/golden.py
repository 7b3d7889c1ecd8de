"""Golden data beside an exported network: one sample's input, spikes and potentials, to check other NIR readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

from deploy.nir_files import discretisation
from deploy.options import GraphOptions
from evaluator.closed_form import ClosedForm
from processes.files import atomic_write
from processes.network import Network
from processes.operation import Result
from targets.nir_graph.plan import make_plan
from targets.nir_graph.program import compile_float, interpret


def golden_file(out: Path) -> Path:
    """Path of an export's golden data: net.golden.npz for net.nir."""
    return out.with_name(f"{out.stem}.golden.npz")


def of_network(network: Network, sample: np.ndarray) -> dict[str, np.ndarray]:
    """Golden arrays of a converted network, from its closed form in float64 on ``sample`` (*input).

    Returns:
        ``input``; by node ``spikes:NAME`` (planes, *shape), each 0 or the step of the spike counted from 1, with its sign, or
        ``potentials:NAME`` (*shape) of nodes that do not fire.
    """
    found: dict[str, np.ndarray] = {"input": sample}

    def observe(name: str, op: Any, result: Result) -> None:
        values = result.values.numpy()
        found[f"{'spikes' if op.fires else 'potentials'}:{name}"] = values[:, 0] if op.fires else values[0]

    ClosedForm(network, torch.float64).run(sample[None], observe)
    return found


def of_standard(graph: nir.NIRGraph, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Golden arrays of a standard NIR graph with one Input, stepped in floating point on ``inputs`` (T, ...).

    Time step, method and reset are those of the graph's metadata, or the defaults of `deploy run`.

    Returns:
        ``input``, by neuron ``spikes:NAME`` and ``potentials:NAME`` (after resets), by Output ``output:NAME``; all (T, *shape).
    """
    how = discretisation(GraphOptions(), graph, None)
    program = compile_float(make_plan(graph, how.dt, how.method), how.dt, how.method, how.reset)
    (name,) = program.inputs
    shaped = inputs.reshape(1, len(inputs), *program.stages[name].shape).astype(np.float64)
    traces = interpret(program, {name: shaped}, potentials=True)
    kinds = {"spikes": traces.spikes, "potentials": traces.potentials, "output": traces.outputs}
    found = {f"{kind}:{node}": values[0] for kind, of in kinds.items() for node, values in of.items()}
    return {"input": shaped[0], **found}


def write_golden(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name to a compressed .npz, whole or not at all."""
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
